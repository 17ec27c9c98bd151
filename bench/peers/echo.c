/* The least that any server on TCP costs: one epoll, one read, and one write of the same bytes.
 *
 * Prints {"port": N} on standard error, and serves until it is told to end. Build: gcc -O3 echo.c
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static char buffer[1 << 18];

static void end(int number) {
    (void)number;
    _exit(0);
}

static int put(int fd, ssize_t size) {
    for (ssize_t sent = 0; sent < size;) {
        ssize_t some = send(fd, buffer + sent, size - sent, MSG_NOSIGNAL);
        if (some <= 0) return -1;
        sent += some;
    }
    return 0;
}

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0), poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    signal(SIGTERM, end);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1024)) {
        perror("echo");
        return 1;
    }
    getsockname(listener, (struct sockaddr *)&address, &size);
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    fprintf(stderr, "{\"port\": %d}\n", ntohs(address.sin_port));
    for (;;) {
        int found = epoll_wait(poller, events, 256, -1);
        for (int index = 0; index < found; index++) {
            int fd = events[index].data.fd;
            if (fd == listener) {
                event.data.fd = accept(listener, NULL, NULL);
                setsockopt(event.data.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                epoll_ctl(poller, EPOLL_CTL_ADD, event.data.fd, &event);
                continue;
            }
            ssize_t got = recv(fd, buffer, sizeof buffer, 0);
            if (got <= 0 || put(fd, got)) close(fd);
        }
    }
}
