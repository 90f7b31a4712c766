/* SHA-256 of a text, to detect changes in what was pushed. */
#ifndef FR_TEXT_DIGEST_H
#define FR_TEXT_DIGEST_H

/* Write the SHA-256 of a text to `digest`, in lower-case hexadecimal digits. Any thread. */
void fr_text_digest(const char *text, char digest[65]);

#endif
