# SPDX-License-Identifier: Apache-2.0
"""Work for real programs: made here, the same every time."""

import contextlib
import random
import socket
import subprocess
import textwrap

from . import machine, programs


def c_source(functions, seed):
    """A C file that gives a compiler something to optimise."""
    words = random.Random(seed)
    parts = ["#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"]
    for i in range(functions):
        a, b, c = (words.randrange(3, 99) for _ in range(3))
        parts.append(
            f"""
            struct box{i} {{ int count; double weight[{a}]; char name[{b}]; }};
            int work{i}(struct box{i} *box, int n)
            {{
                int sum = {c};
                for (int i = 0; i < n; i++) {{
                    switch ((box->count + i) % 7) {{
                    case 0: sum += (int)box->weight[i % {a}] * {b}; break;
                    case 1: sum ^= box->name[i % {b}] << (i & 3); break;
                    case 2: sum -= n / (i + 1); break;
                    default: box->weight[i % {a}] += sum * 0.5; break;
                    }}
                    for (int j = 0; j < {c}; j++)
                        box->name[(i * j) % {b}] ^= (char)(sum >> (j & 7));
                }}
                memset(box->name, sum, sizeof(box->name));
                return sum + printf("%d %f\\n", box->count, box->weight[0]);
            }}"""
        )
    return textwrap.dedent("\n".join(parts))


def write_c_project(directory, files, functions):
    """C files and a Makefile that compiles each of them."""
    names = [f"part{i}" for i in range(files)]
    for i, name in enumerate(names):
        (directory / f"{name}.c").write_text(c_source(functions, i))
    objects = " ".join(f"{name}.o" for name in names)
    (directory / "Makefile").write_text(f"all: {objects}\n%.o: %.c\n\tgcc -O2 -c -o $@ $<\n")


def text_file(path, megabytes):
    """Text that compresses as prose does."""
    words = random.Random(7)
    vocabulary = ["".join(words.choices("etaoinshrdlucmfw", k=words.randrange(2, 11))) for _ in range(4000)]
    with open(path, "w", encoding="ascii") as file:
        for _ in range(megabytes * 16):
            file.write(" ".join(words.choices(vocabulary, k=9000)) + "\n")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _answers(address):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as sock:
        sock.settimeout(1)
        return sock.connect_ex(address) == 0


@contextlib.contextmanager
def redis(directory):
    """A redis server under load: its pids."""
    server, bench = machine.require_program("redis-server"), machine.require_program("redis-benchmark")
    path = str(directory / "redis.sock")
    line = [server, "--port", "0", "--unixsocket", path, "--save", "", "--dir", directory]
    load = [bench, "-s", path, "-q", "-n", "100000000", "-c", "20", "-P", "8", "-t", "set,get,lpush,zadd,lrange_100"]
    with programs.running(line, warm=False) as process:
        programs.wait_until(lambda: _answers(path), "redis does not answer")
        with programs.running(load):
            yield [process.pid]


@contextlib.contextmanager
def nginx(directory):
    """An nginx server under load: its master and its workers."""
    server, wrk = machine.require_program("nginx"), machine.require_program("wrk")
    port = free_port()
    (directory / "index.html").write_text("hello " * 2000)
    (directory / "nginx.conf").write_text(
        f"""
        daemon off; user root; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log;
        events {{ worker_connections 256; }}
        http {{
            access_log {directory}/access.log; client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
            fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
            gzip on; gzip_types text/html; gzip_min_length 100;
            server {{ listen 127.0.0.1:{port}; root {directory}; autoindex on; }}
        }}"""
    )
    load = [wrk, "-t1", "-c16", "-d120s", "-H", "Accept-Encoding: gzip", f"http://127.0.0.1:{port}/index.html"]
    with programs.running([server, "-c", directory / "nginx.conf"], warm=False) as process:
        programs.wait_until(lambda: _answers(("127.0.0.1", port)), "nginx does not answer")
        with programs.running(load):
            workers = programs.children(process.pid)
            programs.wait_until(lambda: sum(map(programs.cpu_ticks, workers)) >= 5, "nginx has nothing to do")
            yield [process.pid, *workers]


PYTHON = """
import json, re
words = [str(i * 7919 % 10007) for i in range(3000)]
while True:
    table = {word: {"n": len(word), "list": list(word)} for word in words}
    text = json.dumps(table, sort_keys=True)
    found = re.findall(r'"(\\d+)": {"list"', text)
    sorted(found, key=lambda word: (len(word), int(word)))
    sum(len(set(json.loads(text)[word]["list"])) for word in words[:20])
"""

PERL = r"""
while (1) {
    my %count; my @words = map { ($_ * 7919 % 10007) . "x" } 1 .. 3000;
    $count{substr($_, 0, 3)}++ for @words;
    my $text = join " ", sort { $count{substr($a, 0, 3)} <=> $count{substr($b, 0, 3)} || $a cmp $b } @words;
    my $n = () = $text =~ /(\d+)3x\b/g; $text =~ s/(\d)(\d)/$2$1/g; my @parts = split / /, $text;
}
"""

NODE = """
function Tree(depth) { this.left = depth ? new Tree(depth - 1) : null; this.right = depth ? new Tree(depth - 1) : null; }
Tree.prototype.count = function () { return this.left ? this.left.count() + this.right.count() + 1 : 1; };
for (;;) {
    let n = new Tree(12).count();
    const rows = Array.from({length: 3000}, (_, i) => ({key: String(i * 7919 % 10007), n: i}));
    const text = JSON.stringify(rows.sort((a, b) => a.key < b.key ? -1 : 1));
    n += (text.match(/"key":"(\\d+)3"/g) || []).length + JSON.parse(text).filter(row => row.n % 3).map(row => row.n).length;
}
"""

SQL = """
create table t(a integer primary key, b integer, c text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 900000)
    insert into t select i, i * 7919 % 10007, hex(i * 31) || 'text' from n;
create index tb on t(b);
select count(*), sum(x.a) from t x join t y on x.b = y.a where x.c like '%a1%';
select b % 100, group_concat(substr(c, 1, 2)), avg(a) from t group by 1 order by 3 desc limit 5;
select sum(length(replace(c, 'A', 'bb'))) from t where c glob '*[3-5]t*';
select count(*) from (select c, row_number() over (partition by b % 1000 order by c) r from t) where r = 2;
"""


def git_repository(directory, commits=120, files=40):
    """A repository whose history is work to pack."""
    git, words = machine.require_program("git"), random.Random(3)
    lines = [[f"line {i} of file {f} {words.random()}" for i in range(400)] for f in range(files)]
    stream = []
    for number in range(commits):
        stream.append(f"commit refs/heads/main\ncommitter A <a@example.org> {1700000000 + number} +0000\ndata 1\nx\n")
        for file in words.sample(range(files), 12):
            for _ in range(20):
                lines[file][words.randrange(400)] = f"changed in {number} {words.random()}"
            text = "\n".join(lines[file])
            stream.append(f"M 100644 inline file{file}.txt\ndata {len(text)}\n{text}\n")
    subprocess.run([git, "init", "-q", "-b", "main", directory], check=True)
    subprocess.run([git, "fast-import", "--quiet"], cwd=directory, input="".join(stream), text=True, check=True)
    return directory
