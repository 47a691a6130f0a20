/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/tls_certificate.h"
#include "common/tls_file.h"
#include "common/tls_staple.h"

enum { CLOCK_SLACK_S = 300 };

int64_t tls_seconds_of(const ASN1_TIME *time)
{
    struct tm broken;
    return time != NULL && ASN1_TIME_to_tm(time, &broken) == 1 ? (int64_t)timegm(&broken) : INT64_MIN;
}

void tls_staple_clear(struct tls_staple *staple)
{
    OPENSSL_free(staple->der);
    *staple = (struct tls_staple){0};
}

bool tls_staple_is_fresh(const struct tls_staple *staple, int64_t now)
{
    return staple->der != NULL && now <= staple->until;
}

/* By serial number and, where the issuer is known, by it: an old staple of a certificate that was renewed is not for
 * this one. */
static bool is_for(const OCSP_SINGLERESP *single, X509 *leaf, X509 *issuer)
{
    OCSP_CERTID *theirs = (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single); /* only looked at */
    ASN1_OBJECT *digest = NULL;
    ASN1_INTEGER *serial = NULL;
    if (OCSP_id_get0_info(NULL, &digest, NULL, &serial, theirs) != 1 ||
        ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) != 0)
        return false;
    if (issuer == NULL)
        return true;
    OCSP_CERTID *ours = OCSP_cert_to_id(EVP_get_digestbyobj(digest), leaf, issuer);
    bool same = ours != NULL && OCSP_id_cmp(ours, theirs) == 0;
    OCSP_CERTID_free(ours);
    return same;
}

/* NULL: good, and `staple->until` is set; else what is wrong. */
static const char *judge_single(struct tls_staple *staple, OCSP_SINGLERESP *single)
{
    ASN1_GENERALIZEDTIME *this_update = NULL, *next_update = NULL;
    int64_t now = clock_wall();
    if (OCSP_single_get0_status(single, NULL, NULL, &this_update, &next_update) != V_OCSP_CERTSTATUS_GOOD)
        return "it says that the certificate is revoked or unknown";
    if (tls_seconds_of(this_update) > now + CLOCK_SLACK_S)
        return "it is from the future: look at the clock";
    staple->until = next_update != NULL ? tls_seconds_of(next_update) : INT64_MAX;
    return staple->until < now ? "it has expired: fetch a new one" : NULL;
}

static const char *judge_basic(struct tls_staple *staple, OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer)
{
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
        if (is_for(single, leaf, issuer))
            return judge_single(staple, single);
    }
    return "it is not for this certificate";
}

static const char *judge(struct tls_staple *staple, const struct tls_file *file, X509 *leaf, X509 *issuer)
{
    const unsigned char *at = file->octets;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)file->size);
    if (response == NULL)
        return "it is no OCSP response in DER";
    const char *why = "it is no successful response";
    OCSP_BASICRESP *basic = NULL;
    if (OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
        basic = OCSP_response_get1_basic(response);
    if (basic != NULL)
        why = judge_basic(staple, basic, leaf, issuer);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    return why;
}

void tls_staple_load(struct tls_staple *staple, const char *certificate_file, X509 *leaf, X509 *issuer)
{
    char path[4096], why[256];
    struct tls_file file;
    *staple = (struct tls_staple){0};
    snprintf(path, sizeof(path), "%s.ocsp", certificate_file);
    const char *wrong = NULL;
    if (tls_file_read(&file, path)) {
        wrong = judge(staple, &file, leaf, issuer);
        staple->der = wrong == NULL ? OPENSSL_memdup(file.octets, file.size) : NULL;
        staple->size = file.size;
        tls_file_clear(&file);
    } else if (errno != ENOENT) {
        wrong = strerror(errno);
    }
    ERR_clear_error();
    if (wrong == NULL)
        return;
    snprintf(why, sizeof(why), "staple is not sent: %s", wrong);
    tls_certificate_warn(path, why);
}
