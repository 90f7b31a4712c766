#include "fleet_api/ca_verify.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "util/memory.h"

bool fr_ca_has(const STACK_OF(X509) * list, const X509 *certificate)
{
    for (int i = 0; i < sk_X509_num(list); i++)
        if (X509_cmp(sk_X509_value(list, i), certificate) == 0)
            return true;
    return false;
}

STACK_OF(X509) * fr_ca_parse(const char *pem)
{
    STACK_OF(X509) *list = sk_X509_new_null();
    BIO *in = BIO_new_mem_buf(pem, -1);
    X509 *certificate;

    while (in != NULL && list != NULL && sk_X509_num(list) < FR_CA_MAX &&
           (certificate = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL)
        if (sk_X509_push(list, certificate) <= 0)
            X509_free(certificate);
    BIO_free(in);
    ERR_clear_error();
    return list;
}

char *fr_ca_text(const STACK_OF(X509) * list)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *bytes, *text = NULL;
    long len;

    for (int i = 0; out != NULL && i < sk_X509_num(list); i++)
        PEM_write_bio_X509(out, sk_X509_value(list, i));
    len = out != NULL ? BIO_get_mem_data(out, &bytes) : 0;
    if (len > 0)
        text = fr_strndup(bytes, (size_t)len);
    BIO_free(out);
    return text;
}

int fr_ca_verify(X509 *certificate, STACK_OF(X509) * sent, X509_STORE *anchors, const char *host,
                 STACK_OF(X509) * *chain)
{
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *param;
    int code = X509_V_ERR_OUT_OF_MEM;

    if (context != NULL && X509_STORE_CTX_init(context, anchors, certificate, sent) == 1) {
        param = X509_STORE_CTX_get0_param(context);
        X509_VERIFY_PARAM_set1_host(param, host, 0);
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                                   X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER);
        X509_verify_cert(context);
        code = X509_STORE_CTX_get_error(context);
    }
    if (chain != NULL)
        *chain = code == X509_V_OK ? X509_STORE_CTX_get1_chain(context) : NULL;
    X509_STORE_CTX_free(context);
    ERR_clear_error();
    return code;
}

int fr_ca_verify_list(X509 *certificate, STACK_OF(X509) * sent, const STACK_OF(X509) * list,
                      const char *host, STACK_OF(X509) * *chain)
{
    X509_STORE *anchors = X509_STORE_new();
    int code;

    for (int i = 0; anchors != NULL && i < sk_X509_num(list); i++)
        X509_STORE_add_cert(anchors, sk_X509_value(list, i));
    code = fr_ca_verify(certificate, sent, anchors, host, chain);
    X509_STORE_free(anchors);
    return code;
}
