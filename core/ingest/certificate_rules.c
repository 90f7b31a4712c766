#include "ingest/certificate_rules.h"

#include <ctype.h>
#include <openssl/x509v3.h>
#include <string.h>

/* OpenSSL's functions read a certificate without changing it, but few of them take a const one. */
static X509 *rules_mutable(const X509 *certificate)
{
    return (X509 *)(uintptr_t)certificate;
}

bool fr_certificate_allows_client(const X509 *certificate)
{
    uint32_t usage = X509_get_extended_key_usage(rules_mutable(certificate));
    EXTENDED_KEY_USAGE *list;
    bool is_empty;

    if (usage == UINT32_MAX || (usage & (XKU_SSL_CLIENT | XKU_ANYEKU)) != 0)
        return true;
    list = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
    is_empty = list != NULL && sk_ASN1_OBJECT_num(list) == 0;
    EXTENDED_KEY_USAGE_free(list);
    return is_empty;
}

/* PrintableString, with the characters that Go accepts beyond the standard: * and &. */
static bool rules_is_printable(unsigned char c)
{
    return c < 0x80 && (isalnum(c) || (c != '\0' && strchr(" '()+,-./:=?*&", c) != NULL));
}

static bool rules_text_is_readable(const ASN1_STRING *text)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(text);
    int type = ASN1_STRING_type(text);

    if (type == V_ASN1_UTF8STRING || type == V_ASN1_BMPSTRING || type == V_ASN1_T61STRING)
        return true; /* OpenSSL has checked UTF-8 and the length of a BMPString */
    if (type != V_ASN1_PRINTABLESTRING && type != V_ASN1_IA5STRING && type != V_ASN1_NUMERICSTRING)
        return false;
    for (int i = 0; i < ASN1_STRING_length(text); i++)
        if (type == V_ASN1_IA5STRING       ? bytes[i] >= 0x80
            : type == V_ASN1_NUMERICSTRING ? bytes[i] != ' ' && !isdigit(bytes[i])
                                           : !rules_is_printable(bytes[i]))
            return false;
    return true;
}

static bool rules_name_is_readable(const X509_NAME *name)
{
    for (int i = 0; i < X509_NAME_entry_count(name); i++)
        if (!rules_text_is_readable(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i))))
            return false;
    return true;
}

bool fr_certificate_is_readable(const X509 *certificate)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);

    return ASN1_STRING_type(serial) != V_ASN1_NEG_INTEGER &&
           rules_name_is_readable(X509_get_subject_name(certificate)) &&
           rules_name_is_readable(X509_get_issuer_name(certificate));
}
