/* notify_sink SOCKET: what systemd would be told there, as lines on stdout. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char message[4096];
    ssize_t nr_bytes;
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    if (argc != 2 || fd < 0 || strlen(argv[1]) >= sizeof address.sun_path)
        return 2;
    memcpy(address.sun_path, argv[1], strlen(argv[1]));
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return 1;
    while ((nr_bytes = recv(fd, message, sizeof message, 0)) > 0) {
        (void)printf("%.*s\n", (int)nr_bytes, message);
        (void)fflush(stdout);
    }
    return 0;
}
