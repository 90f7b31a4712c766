#include "tool/doctor_request.h"

int fr_doctor_request(const char *ca, bool is_plain, const struct fr_http_request *request,
                      struct fr_http_response *response, struct fr_error *error)
{
    struct fr_http_client *client = fr_http_client_new(ca, error);
    int status;

    if (client == NULL)
        return -1;
    fr_http_client_set_limit(client, FR_DOCTOR_REQUEST_MS);
    if (is_plain)
        fr_http_client_allow_plain(client);
    status = fr_http_request(client, request, response, error);
    fr_http_client_free(client);
    return status;
}
