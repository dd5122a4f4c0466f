/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/http_post.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"

#define NSEC_PER_MSEC 1000000ULL
/* What libcurl fails at for want of memory is tried again no sooner. */
#define HTTP_TROUBLE_MS 100

struct http_post {
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	char *url;  /* with the path */
	char *name; /* without password, for people */
	bool active;
	char error[CURL_ERROR_SIZE];
	struct http_result result; /* of the request under way */
	size_t words_len;
};

static void http_url_freep(CURLU **url)
{
	curl_url_cleanup(*url);
}

static void http_text_freep(char **text)
{
	curl_free(*text);
}

static int http_url_error(CURLUcode code)
{
	return code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

static int http_url_copy(CURLU *url, char **ret)
{
	_cleanup_(http_text_freep) char *text = NULL;
	CURLUcode code = curl_url_get(url, CURLUPART_URL, &text, 0);
	char *copy;

	if (code != CURLUE_OK)
		return http_url_error(code);
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

/* The URL's own path may be a prefix that a proxy wants: http://proxy/pyroscope/. */
static int http_url_add_path(CURLU *url, const char *path)
{
	_cleanup_(http_text_freep) char *prefix = NULL;
	_cleanup_(strbuf_fini) struct strbuf whole = { 0 };
	CURLUcode code = curl_url_get(url, CURLUPART_PATH, &prefix, 0);
	size_t len;

	if (code != CURLUE_OK)
		return http_url_error(code);
	len = strlen(prefix);
	while (len > 0 && prefix[len - 1] == '/')
		len--;
	strbuf_append(&whole, prefix, len);
	strbuf_puts(&whole, path);
	if (strbuf_error(&whole))
		return strbuf_error(&whole);
	code = curl_url_set(url, CURLUPART_PATH, whole.data, 0);
	return code == CURLUE_OK ? 0 : http_url_error(code);
}

static int http_url_check_scheme(CURLU *url)
{
	_cleanup_(http_text_freep) char *scheme = NULL;
	CURLUcode code = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);

	if (code != CURLUE_OK)
		return http_url_error(code);
	return strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0 ? 0 : -EINVAL;
}

static int http_post_set_url(struct http_post *post, const char *text, const char *path)
{
	_cleanup_(http_url_freep) CURLU *url = curl_url(), *named = NULL;
	CURLUcode code;
	int err;

	if (!url)
		return -ENOMEM;
	code = curl_url_set(url, CURLUPART_URL, text, 0);
	if (code != CURLUE_OK)
		return http_url_error(code);
	err = http_url_check_scheme(url);
	if (err < 0)
		return err;
	named = curl_url_dup(url);
	if (!named || curl_url_set(named, CURLUPART_USER, NULL, 0) != CURLUE_OK ||
	    curl_url_set(named, CURLUPART_PASSWORD, NULL, 0) != CURLUE_OK)
		return -ENOMEM;
	err = http_url_copy(named, &post->name);
	if (err < 0)
		return err;
	err = http_url_add_path(url, path);
	if (err < 0)
		return err;
	return http_url_copy(url, &post->url);
}

static int http_post_add_header(struct http_post *post, const char *header)
{
	struct curl_slist *longer = curl_slist_append(post->headers, header);

	if (!longer)
		return -ENOMEM;
	post->headers = longer;
	return 0;
}

static int http_post_add_headers(struct http_post *post)
{
	static const char *const headers[] = {
		"Content-Type: application/proto",
		"Content-Encoding: gzip",
		"Connect-Protocol-Version: 1",
		/* Asking first whether a body may come costs a round trip each time, and a second with servers that
		 * do not answer that. */
		"Expect:",
		"Accept:",
	};

	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		int err = http_post_add_header(post, headers[i]);

		if (err < 0)
			return err;
	}
	return 0;
}

/* Keeps how the answer begins; what it does not return as taken would break the transfer off. */
static size_t http_post_on_body(char *data, size_t size, size_t cnt, void *context)
{
	struct http_post *post = context;
	size_t len = size * cnt;

	for (size_t i = 0; i < len && post->words_len < sizeof(post->result.words) - 1; i++) {
		char c = data[i];

		post->result.words[post->words_len++] = c >= ' ' && c <= '~' ? c : ' ';
	}
	return len;
}

static CURLcode http_post_set_options(struct http_post *post, uint64_t timeout_ns)
{
	const struct {
		CURLoption option;
		long value;
	} numbers[] = {
		{ CURLOPT_POST, 1 },
		/* Signals belong to the event loop; timeouts of name look-ups come from curl's own thread. */
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
		{ CURLOPT_TCP_KEEPALIVE, 1 },
		{ CURLOPT_TIMEOUT_MS, (long)((timeout_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC) },
	};
	const struct {
		CURLoption option;
		const void *value;
	} pointers[] = {
		{ CURLOPT_URL, post->url },
		{ CURLOPT_PROTOCOLS_STR, "http,https" },
		{ CURLOPT_USERAGENT, "pprofd/" PPROFD_VERSION },
		{ CURLOPT_HTTPHEADER, post->headers },
		{ CURLOPT_ERRORBUFFER, post->error },
		{ CURLOPT_WRITEDATA, post },
	};
	CURLcode code = curl_easy_setopt(post->easy, CURLOPT_WRITEFUNCTION, http_post_on_body);

	for (size_t i = 0; i < ARRAY_LEN(numbers) && code == CURLE_OK; i++)
		code = curl_easy_setopt(post->easy, numbers[i].option, numbers[i].value);
	for (size_t i = 0; i < ARRAY_LEN(pointers) && code == CURLE_OK; i++)
		code = curl_easy_setopt(post->easy, pointers[i].option, pointers[i].value);
	return code;
}

int http_post_new(const char *url, const char *path, uint64_t timeout_ns, struct http_post **ret)
{
	_cleanup_(http_post_freep) struct http_post *post = calloc(1, sizeof(*post));
	int err;

	if (!post)
		return -ENOMEM;
	/* Counted by libcurl: the counterpart is in http_post_free(). */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(take_ptr(post));
		return -ENOMEM;
	}
	err = http_post_set_url(post, url, path);
	if (err < 0)
		return err;
	err = http_post_add_headers(post);
	if (err < 0)
		return err;
	post->multi = curl_multi_init();
	post->easy = curl_easy_init();
	if (!post->multi || !post->easy || http_post_set_options(post, timeout_ns) != CURLE_OK)
		return -ENOMEM;
	*ret = take_ptr(post);
	return 0;
}

static void http_post_end(struct http_post *post)
{
	if (post->active)
		curl_multi_remove_handle(post->multi, post->easy);
	post->active = false;
}

void http_post_free(struct http_post *post)
{
	if (!post)
		return;
	http_post_end(post);
	curl_easy_cleanup(post->easy);
	curl_multi_cleanup(post->multi);
	curl_slist_free_all(post->headers);
	curl_global_cleanup();
	free(post->url);
	free(post->name);
	free(post);
}

const char *http_post_get_name(const struct http_post *post)
{
	return post->name;
}

int http_post_start(struct http_post *post, const struct blob *body)
{
	post->result = (struct http_result){ 0 };
	post->words_len = 0;
	post->error[0] = '\0';
	if (curl_easy_setopt(post->easy, CURLOPT_POSTFIELDS, body->data) != CURLE_OK ||
	    curl_easy_setopt(post->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len) != CURLE_OK ||
	    curl_multi_add_handle(post->multi, post->easy) != CURLM_OK)
		return -ENOMEM;
	post->active = true;
	return 0;
}

static void http_post_read_result(struct http_post *post, CURLcode code)
{
	curl_off_t after_s = 0;
	long status = 0;

	if (code != CURLE_OK) {
		const char *words = post->error[0] ? post->error : curl_easy_strerror(code);

		/* A status whose body did not come is no answer. */
		snprintf(post->result.words, sizeof(post->result.words), "%.*s", (int)sizeof(post->result.words) - 1,
			 words);
		return;
	}
	if (curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK)
		post->result.status = status;
	/* Seconds, also when the server gave a date. */
	if (curl_easy_getinfo(post->easy, CURLINFO_RETRY_AFTER, &after_s) == CURLE_OK && after_s > 0)
		post->result.retry_after_ns =
			after_s > INT_MAX ? INT_MAX * NSEC_PER_SEC : (uint64_t)after_s * NSEC_PER_SEC;
}

/* Moves the request on; true when it has ended. */
static bool http_post_perform(struct http_post *post, struct http_result *ret)
{
	int running, queued;
	const CURLMsg *message;
	CURLMcode code;

	if (!post->active)
		return false;
	code = curl_multi_perform(post->multi, &running);
	message = curl_multi_info_read(post->multi, &queued);
	if (code == CURLM_OK && !message)
		return false;
	if (code != CURLM_OK)
		snprintf(post->result.words, sizeof(post->result.words), "%s", curl_multi_strerror(code));
	else
		http_post_read_result(post, message->data.result);
	http_post_end(post);
	*ret = post->result;
	return true;
}

bool http_post_wait(struct http_post *post, uint64_t timeout_ns, struct http_result *ret)
{
	uint64_t timeout_ms = timeout_ns / NSEC_PER_MSEC + (timeout_ns % NSEC_PER_MSEC != 0);
	CURLMcode code;

	if (http_post_perform(post, ret))
		return true;
	code = curl_multi_poll(post->multi, NULL, 0, timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms, NULL);
	if (code != CURLM_OK) {
		log_debug("waiting for %s: %s", post->name, curl_multi_strerror(code));
		poll(NULL, 0, timeout_ms < HTTP_TROUBLE_MS ? (int)timeout_ms : HTTP_TROUBLE_MS);
	}
	return http_post_perform(post, ret);
}

void http_post_wake(struct http_post *post)
{
	CURLMcode code = curl_multi_wakeup(post->multi);

	if (code != CURLM_OK)
		log_debug("waking the thread of %s: %s", post->name, curl_multi_strerror(code));
}
