#include "ingest/certificate_id.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <stdlib.h>

struct fr_certificate_id {
    int issuer_size, serial_size; /* bytes */
    unsigned char der[];          /* the issuer's name, then the serial number */
};

struct fr_certificate_id *fr_certificate_id_new(const X509 *certificate)
{
    const X509_NAME *issuer = X509_get_issuer_name(certificate);
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    int issuer_size = i2d_X509_NAME(issuer, NULL), serial_size = i2d_ASN1_INTEGER(serial, NULL);
    struct fr_certificate_id *id;
    unsigned char *to;

    if (issuer_size <= 0 || serial_size <= 0)
        return NULL;
    id = malloc(sizeof *id + (size_t)issuer_size + (size_t)serial_size);
    if (id == NULL)
        return NULL;
    id->issuer_size = issuer_size;
    id->serial_size = serial_size;
    to = id->der;
    i2d_X509_NAME(issuer, &to);
    i2d_ASN1_INTEGER(serial, &to);
    return id;
}

X509 *fr_certificate_id_expand(const struct fr_certificate_id *id)
{
    const unsigned char *from = id->der;
    X509_NAME *issuer = d2i_X509_NAME(NULL, &from, id->issuer_size);
    ASN1_INTEGER *serial = d2i_ASN1_INTEGER(NULL, &from, id->serial_size);
    X509 *certificate = X509_new();

    if (issuer == NULL || serial == NULL || certificate == NULL ||
        X509_set_issuer_name(certificate, issuer) != 1 ||
        X509_set_serialNumber(certificate, serial) != 1) {
        ERR_clear_error();
        X509_free(certificate);
        certificate = NULL;
    }
    X509_NAME_free(issuer);
    ASN1_INTEGER_free(serial);
    return certificate;
}
