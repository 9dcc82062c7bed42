/** Folders of certificates, made by certtool, and keys, made by psktool. */
#ifndef RPC_CERTIFICATES_H
#define RPC_CERTIFICATES_H

struct certificate_spec {
    const char *ca;       /* name of the authority */
    const char *purpose;  /* certtool's word: tls_www_server, tls_www_client */
    const char *dns_name; /* NULL: none */
    const char *address;  /* NULL: none */
    const char *common_name;
    const char *activation, *expiration; /* dates; NULL: 2020 and 2099 */
};

/** A scratch folder for it all, as the working directory; removed at the end. */
void certificates_begin(void);
void certificates_end(void);

/** NAME-cert.pem and NAME-key.pem of an authority. */
void make_authority(const char *name);

/** NAME-cert.pem and NAME-key.pem, signed. */
void make_certificate(const char *name, const struct certificate_spec *spec);

/** NAME-crl.pem of an authority, which revokes CERTIFICATE-cert.pem. */
void make_revocation(const char *authority, const char *certificate);

/** A folder: ca-cert.pem from @ca, SIDE-cert.pem and SIDE-key.pem from @certificate, ca-crl.pem
 * from @crl (NULL: none). */
void make_folder(const char *folder, const char *ca, const char *side, const char *certificate,
                 const char *crl);

/** A file of keys with one for @name. */
void make_psk(const char *file, const char *name);

/** Run a shell command that must succeed. */
void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
