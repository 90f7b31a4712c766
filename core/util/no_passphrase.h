/* A callback for OpenSSL's PEM functions, for files and answers that must not be encrypted. */
#ifndef FR_NO_PASSPHRASE_H
#define FR_NO_PASSPHRASE_H

/* A pem_password_cb that has no passphrase: an encrypted text is refused. Without a callback OpenSSL asks
 * for the passphrase on the terminal, and waits; a server could begin such a question with an answer that
 * has the header of an encrypted text. Any thread. */
int fr_no_passphrase(char *to, int size, int is_for_writing, void *context);

#endif
