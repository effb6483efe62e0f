/*
 * c-hello is a daemon that says hello, in C99 and POSIX. SIGTERM ends it.
 *
 *	make
 *	./c-hello --listen 127.0.0.1:8080
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "devel"
#endif

enum {
	PATIENCE = 5,       /* seconds that a client may take for all of it */
	MAX_REQUEST = 8192, /* bytes of a request that are read */
	BACKLOG = 128
};

static const char usage[] =
	"usage: c-hello [--listen ADDRESS] [--version]\n"
	"\n"
	"  --listen ADDRESS  IPv4 loopback address to serve on; port 0 takes a free one (127.0.0.1:0)\n"
	"  --version         print the version and leave\n";

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "c-hello: %s: %s\n", what, why);
	exit(1);
}

/* say prints text, and fails if it cannot. */
static void say(const char *text)
{
	if (fputs(text, stdout) == EOF || fflush(stdout) == EOF)
		fail("stdout", strerror(errno));
}

/* loopback reads address:port. It refuses any address that other machines could reach: nobody signs
 * in here. */
static struct sockaddr_in loopback(const char *address)
{
	struct sockaddr_in addr;
	const char *colon = strrchr(address, ':');
	char ip[INET_ADDRSTRLEN], *end;
	long port;

	if (colon == NULL || (size_t)(colon - address) >= sizeof ip)
		fail(address, "not ADDRESS:PORT");
	memcpy(ip, address, (size_t)(colon - address));
	ip[colon - address] = '\0';
	memset(&addr, 0, sizeof addr);
	addr.sin_family = AF_INET;
	if (inet_pton(AF_INET, ip, &addr.sin_addr) != 1 || ntohl(addr.sin_addr.s_addr) >> 24 != 127)
		fail(address, "not a loopback address");
	port = strtol(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || port > 65535)
		fail(address, "the port must be a number from 0 to 65535");
	addr.sin_port = htons((unsigned short)port);
	return addr;
}

/* open_listener listens at address and says where that is. */
static int open_listener(const char *address)
{
	struct sockaddr_in addr = loopback(address);
	socklen_t size = sizeof addr;
	int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	char ip[INET_ADDRSTRLEN], line[128];

	if (listener < 0 ||
	    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    bind(listener, (struct sockaddr *)&addr, sizeof addr) < 0 ||
	    listen(listener, BACKLOG) < 0 ||
	    getsockname(listener, (struct sockaddr *)&addr, &size) < 0 ||
	    inet_ntop(AF_INET, &addr.sin_addr, ip, sizeof ip) == NULL)
		fail(address, strerror(errno));
	snprintf(line, sizeof line, "c-hello %s listens on http://%s:%d\n", VERSION, ip, ntohs(addr.sin_port));
	say(line);
	return listener;
}

/* read_request reads to the end of the head of a request, and returns 0 if there is none. */
static int read_request(int conn, char *head, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size - 1) {
		n = read(conn, head + len, size - 1 - len);
		if (n <= 0)
			return 0;
		len += (size_t)n;
		head[len] = '\0';
		if (strstr(head, "\r\n\r\n") != NULL)
			return 1;
	}
	return 0;
}

/* asks reports whether a request is a GET of path, with or without a query. */
static int asks(const char *head, const char *path)
{
	size_t len = strlen(path);

	return strncmp(head, "GET ", 4) == 0 && strncmp(head + 4, path, len) == 0 &&
	       (head[4 + len] == ' ' || head[4 + len] == '?');
}

static void answer(int conn)
{
	char head[MAX_REQUEST], text[256];
	const char *status = "200 OK", *body = "ok\n", *at = text;
	size_t left;
	ssize_t n;

	if (!read_request(conn, head, sizeof head))
		return;
	if (asks(head, "/")) {
		body = "hello " VERSION "\n";
	} else if (!asks(head, "/health")) {
		status = "404 Not Found";
		body = "not found\n";
	}
	snprintf(text, sizeof text,
		 "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
		 "Content-Length: %lu\r\nConnection: close\r\n\r\n%s",
		 status, (unsigned long)strlen(body), body);
	for (left = strlen(text); left > 0; left -= (size_t)n, at += n) {
		n = write(conn, at, left);
		if (n <= 0)
			return;
	}
}

/* serve serves until the process ends. Each client has a child of its own, whose end is its alarm's
 * if it takes too long. */
static void serve(int listener)
{
	for (;;) {
		int conn = accept(listener, NULL, NULL);
		pid_t pid = conn < 0 ? -1 : fork();

		if (pid == 0) {
			close(listener);
			alarm(PATIENCE);
			answer(conn);
			_exit(0);
		}
		if (conn >= 0)
			close(conn);
		if (pid < 0 && errno != EINTR)
			sleep(1); /* too many are here already */
	}
}

/* names reports whether arg is the flag of this name, with one dash or two. */
static int names(const char *arg, const char *flag)
{
	return arg[0] == '-' && strcmp(arg + (arg[1] == '-' ? 2 : 1), flag) == 0;
}

int main(int argc, char **argv)
{
	const char *address = "127.0.0.1:0";
	int i;

	for (i = 1; i < argc; i++) {
		const char *arg = argv[i] + (strncmp(argv[i], "--", 2) == 0);

		if (strncmp(arg, "-listen=", 8) == 0) {
			address = arg + 8;
		} else if (names(argv[i], "listen")) {
			if (++i == argc)
				fail("--listen", "it needs an address");
			address = argv[i];
		} else if (names(argv[i], "version")) {
			say("c-hello " VERSION "\n");
			return 0;
		} else if (names(argv[i], "help") || names(argv[i], "h")) {
			say(usage);
			return 0;
		} else {
			fputs(usage, stderr);
			fail(argv[i], "not known");
		}
	}
	signal(SIGCHLD, SIG_IGN); /* nobody waits for the children */
	serve(open_listener(address));
}
