/* The result of adding a delivery to a body. */
#ifndef FR_HTTP_BODY_ADDED_H
#define FR_HTTP_BODY_ADDED_H

enum body_added {
    BODY_ADDED,
    BODY_NOTHING, /* the delivery has nothing that this format can express */
    BODY_UNFIT,   /* its route has a `format:` that this format cannot use */
    BODY_NO_MEMORY,
};

#endif
