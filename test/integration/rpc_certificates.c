#include "rpc_certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char scratch[] = "/tmp/bitferry-test.XXXXXX";

void run(const char *format, ...)
{
    char command[2048];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (system(command) != 0) /* NOLINT: a test; nothing in the command is foreign */
        fail_msg("failed: %s", command);
}

void certificates_begin(void)
{
    assert_non_null(mkdtemp(scratch));
    assert_int_equal(chdir(scratch), 0);
}

void certificates_end(void)
{
    assert_int_equal(chdir("/"), 0);
    run("rm -rf %s", scratch);
}

static FILE *begin_template(void)
{
    FILE *file = fopen("template", "w");

    assert_non_null(file);
    return file;
}

void make_authority(const char *name)
{
    FILE *file = begin_template();

    (void)fprintf(file, "cn = \"%s\"\nca\ncert_signing_key\ncrl_signing_key\n", name);
    (void)fprintf(file, "activation_date = \"2020-01-01\"\nexpiration_date = \"2099-01-01\"\n");
    assert_int_equal(fclose(file), 0);
    run("certtool --generate-privkey --key-type ecdsa --outfile %s-key.pem 2>/dev/null", name);
    run("certtool --generate-self-signed --load-privkey %s-key.pem --template template "
        "--outfile %s-cert.pem 2>/dev/null",
        name, name);
}

void make_certificate(const char *name, const struct certificate_spec *spec)
{
    FILE *file = begin_template();

    (void)fprintf(file, "cn = \"%s\"\n%s\nsigning_key\n", spec->common_name, spec->purpose);
    if (spec->dns_name)
        (void)fprintf(file, "dns_name = \"%s\"\n", spec->dns_name);
    if (spec->address)
        (void)fprintf(file, "ip_address = \"%s\"\n", spec->address);
    (void)fprintf(file, "activation_date = \"%s\"\nexpiration_date = \"%s\"\n",
                  spec->activation ? spec->activation : "2020-01-01",
                  spec->expiration ? spec->expiration : "2098-01-01");
    assert_int_equal(fclose(file), 0);
    run("certtool --generate-privkey --key-type ecdsa --outfile %s-key.pem 2>/dev/null", name);
    run("certtool --generate-certificate --load-privkey %s-key.pem --load-ca-certificate "
        "%s-cert.pem --load-ca-privkey %s-key.pem --template template --outfile %s-cert.pem "
        "2>/dev/null",
        name, spec->ca, spec->ca, name);
}

void make_revocation(const char *authority, const char *certificate)
{
    FILE *file = begin_template();

    (void)fprintf(file, "crl_next_update = \"2098-01-01\"\ncrl_number = 1\n");
    assert_int_equal(fclose(file), 0);
    run("certtool --generate-crl --load-ca-privkey %s-key.pem --load-ca-certificate %s-cert.pem "
        "--load-certificate %s-cert.pem --template template --outfile %s-crl.pem 2>/dev/null",
        authority, authority, certificate, authority);
}

void make_folder(const char *folder, const char *ca, const char *side, const char *certificate,
                 const char *crl)
{
    run("mkdir %s && cp %s-cert.pem %s/ca-cert.pem", folder, ca, folder);
    run("cp %s-cert.pem %s/%s-cert.pem", certificate, folder, side);
    run("install -m 0600 %s-key.pem %s/%s-key.pem", certificate, folder, side);
    if (crl)
        run("cp %s-crl.pem %s/ca-crl.pem", crl, folder);
}

void make_psk(const char *file, const char *name)
{
    run("psktool --username %s --pskfile %s >/dev/null 2>&1 && chmod 0600 %s", name, file, file);
}
