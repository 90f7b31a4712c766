#include "fleet_api/server_chain.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "util/memory.h"
#include "util/no_passphrase.h"

static bool server_chain_has(const STACK_OF(X509) * all, const X509 *certificate)
{
    for (int i = 0; i < sk_X509_num(all); i++)
        if (X509_cmp(sk_X509_value(all, i), certificate) == 0)
            return true;
    return false;
}

STACK_OF(X509) * fr_server_chain_read(const char *path, struct fr_error *error)
{
    STACK_OF(X509) *all = sk_X509_new_null();
    BIO *file = BIO_new_file(path, "r");
    int why = errno, count = 0;
    X509 *certificate;

    while (file != NULL && count <= FR_SERVER_CHAIN_MAX &&
           (certificate = PEM_read_bio_X509(file, NULL, fr_no_passphrase, NULL)) != NULL) {
        count++;
        if (server_chain_has(all, certificate) || sk_X509_push(all, certificate) == 0)
            X509_free(certificate);
    }
    ERR_clear_error();
    BIO_free(file);
    if (file != NULL && count > 0 && count <= FR_SERVER_CHAIN_MAX)
        return all;
    sk_X509_pop_free(all, X509_free);
    if (file == NULL)
        fr_error_set(error, "%s: %s", path, strerror(why));
    else if (count == 0)
        fr_error_set(error, "%s: no certificate in PEM", path);
    else
        fr_error_set(error, "%s: more than %d certificates; remove those that are not in the chain",
                     path, FR_SERVER_CHAIN_MAX);
    return NULL;
}

/* The chain up to a root of the system or of the file; NULL: there is none. */
static STACK_OF(X509) * server_chain_complete(STACK_OF(X509) * all)
{
    STACK_OF(X509) *chain = NULL;
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();

    for (int i = 0; store != NULL && i < sk_X509_num(all); i++)
        if (X509_self_signed(sk_X509_value(all, i), 0) == 1)
            X509_STORE_add_cert(store, sk_X509_value(all, i));
    if (store != NULL && context != NULL && X509_STORE_set_default_paths(store) == 1 &&
        X509_STORE_set_flags(store, X509_V_FLAG_NO_CHECK_TIME) == 1 &&
        X509_STORE_CTX_init(context, store, sk_X509_value(all, 0), all) == 1 &&
        X509_verify_cert(context) == 1)
        chain = X509_STORE_CTX_get1_chain(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    ERR_clear_error();
    return chain;
}

/* Write the certificates above the server's; a self-signed server certificate is its own root. */
static void server_chain_write(struct fr_server_chain *chain, STACK_OF(X509) * certificates)
{
    int count = sk_X509_num(certificates);
    X509 *last = sk_X509_value(certificates, count - 1);
    BIO *out = BIO_new(BIO_s_mem());
    char *text;
    long len;

    chain->has_root = X509_self_signed(last, 0) == 1;
    for (int i = count == 1 && chain->has_root ? 0 : 1; out != NULL && i < count; i++)
        PEM_write_bio_X509(out, sk_X509_value(certificates, i));
    len = out != NULL ? BIO_get_mem_data(out, &text) : 0;
    chain->ca = len > 0 ? fr_strndup(text, (size_t)len) : NULL;
    BIO_free(out);
}

/* The only DNS name of a certificate, or NULL. */
static char *server_chain_host(X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    char *host = NULL;
    int count = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const ASN1_STRING *name = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        const char *text;
        size_t len;

        if (type != GEN_DNS)
            continue;
        text = (const char *)ASN1_STRING_get0_data(name);
        len = (size_t)ASN1_STRING_length(name);
        if (count++ == 0 && len > 0 && memchr(text, '\0', len) == NULL && text[0] != '*')
            host = fr_strndup(text, len);
    }
    GENERAL_NAMES_free(names);
    if (count == 1)
        return host;
    free(host);
    return NULL;
}

int fr_server_chain_load(struct fr_server_chain *chain, const char *path, struct fr_error *error)
{
    STACK_OF(X509) *all = fr_server_chain_read(path, error), *complete;

    *chain = (struct fr_server_chain){0};
    if (all == NULL)
        return -1;
    complete = server_chain_complete(all);
    server_chain_write(chain, complete != NULL ? complete : all);
    chain->certificate = sk_X509_value(all, 0);
    X509_up_ref(chain->certificate);
    chain->host = server_chain_host(chain->certificate);
    chain->file = all;
    sk_X509_pop_free(complete, X509_free);
    if (chain->ca != NULL)
        return 0;
    fr_server_chain_free(chain);
    return fr_error_set(error,
                        "%s: only the server's certificate is in the file, and no root of the "
                        "system signed it; append its CA certificates",
                        path);
}

bool fr_server_chain_covers(const struct fr_server_chain *chain, const char *host)
{
    /* OpenSSL takes ".example.com" for all names below example.com. */
    if (host[0] == '.' || host[0] == '*')
        return false;
    return X509_check_host(chain->certificate, host, 0,
                           X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
                           NULL) == 1;
}

void fr_server_chain_free(struct fr_server_chain *chain)
{
    X509_free(chain->certificate);
    sk_X509_pop_free(chain->file, X509_free);
    free(chain->ca);
    free(chain->host);
    *chain = (struct fr_server_chain){0};
}
