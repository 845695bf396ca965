"""An endpoint that speaks OpenAI's chat completions, with faults on demand.

It needs nothing but Python. It prints its port when it is ready, and ends when
its standard input does, so that it never outlives whoever started it.

    python3 model_server.py [--key KEY] [--port PORT]

What it answers follows from what it is asked, always in the same way: it
quotes the numbered sources with their numbers, plans two questions or more,
calls the tools that a question hints at, and supports each claim by what the
claim cites. A question that is a JSON object is its own answer. Tokens are counted as one for four ASCII characters and one for
each other character, and four for each message.

The model named `fault:KIND` has a fault, and `fault:KIND:N` has it N times and
then no longer. `POST /fault` with `{"kind": KIND, "times": N}` does the same
for whatever is asked next; without `times` it lasts, and `{}` ends it. The
kinds:

    down        closes the connection without an answer
    slow        takes 0.1 s for each piece
    slower      takes 0.5 s for each piece
    stall       stops after the first piece
    cut         closes the connection after the first piece
    limited     429 with Retry-After: 1
    failing     500
    loading     503
    refused     400
    unknown     404
    denied      401
    html        502 with a web page
    broken      half a JSON object after the first piece
    error       an error object after the first piece
    empty       no choices
    blank       no text
    filtered    a content filter after the first piece
    length      half a text, for want of room
    no-usage    says nothing of tokens
    plain       answers in one piece
    fenced      puts prose and a fence around JSON
    prose       prose where JSON was asked for
    no-tools    400 where tools are offered
    thinking    thinks aloud before the text

`GET /requests` lists the bodies of all requests so far, `GET /usages` what each
answer with a usage has taken, and `GET /running` says how many answers are under
way.
"""

import argparse
import json
import os
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STATUSES = {
    "limited": (429, "Rate limit reached"),
    "failing": (500, "The server had an error"),
    "loading": (503, "Loading model"),
    "refused": (400, "This prompt is too long"),
    "unknown": (404, "The model does not exist"),
    "denied": (401, "Incorrect API key provided"),
}

# A bound on the length of an answer beyond this is refused, as OpenAI does.
MOST_WRITTEN = 16384

PAUSES = {"slow": 0.1, "slower": 0.5}


class Faults:
    """What shall go wrong, and how often."""

    def __init__(self):
        self._lock = threading.Lock()
        self._left = {}
        self._next = None

    def order(self, kind, times):
        with self._lock:
            self._next = (kind, times) if kind else None

    def of(self, model):
        """The fault of a request to this model."""
        with self._lock:
            if self._next:
                kind, times = self._next
                if times:
                    self._next = (kind, times - 1) if times > 1 else None
                return kind
            match = re.fullmatch(r"fault:([a-z-]+)(?::(\d+))?", model)
            if not match:
                return None
            if match[2] is None:
                return match[1]
            left = self._left.setdefault(model, int(match[2]))
            self._left[model] = max(left - 1, 0)
            return match[1] if left else None


class Running:
    """How many answers are under way."""

    def __init__(self):
        self._lock = threading.Lock()
        self.count = 0

    def __enter__(self):
        with self._lock:
            self.count += 1

    def __exit__(self, *_):
        with self._lock:
            self.count -= 1


FAULTS = Faults()
REQUESTS = []
USAGES = []
RUNNING = Running()


def estimate(text):
    plain = sum(1 for char in text if ord(char) < 128)
    return -(-plain // 4) + len(text) - plain


def shorten(text, tokens):
    while estimate(text) > tokens:
        text = text[:-1]
    return text


class Question:
    """What a request asks, taken apart."""

    def __init__(self, body):
        messages = body["messages"]
        self.system = next((m["content"] for m in messages if m["role"] == "system"), "")
        self.past = [m["content"] for m in messages[:-1] if m["role"] == "user"]
        user = messages[-1]["content"]
        if "not the JSON object" in user and self.past:
            user = self.past.pop()
        marks = ["Sources:", "Notes:", "Plan:", "Remark:", "Text:", "What the tools have said:"]
        parts = re.split("\n\n(" + "|".join(map(re.escape, marks)) + ")\n\n", user)
        self.text = parts[0]
        self.parts = dict(zip(parts[1::2], parts[2::2]))
        self.tools = [tool["function"] for tool in body.get("tools") or []]
        self.japanese = bool(re.search("[ぁ-んァ-ヶ一-龠]", self.text))

    def part(self, mark):
        return self.parts.get(mark + ":", "")

    def sources(self):
        pattern = r"^\[(\d+)\] ([^\n]*) \([^()\n]*\)\n(.*?)(?=\n\n\[\d+\] |\Z)"
        found = re.findall(pattern, self.part("Sources"), re.MULTILINE | re.DOTALL)
        return [(int(number), title, text) for number, title, text in found]


def sentence(text):
    """The first sentence of a text, without marks of its own."""
    text = re.sub(r"[#*`>|\[\]]", "", text)
    text = " ".join(text.split())
    match = re.match(r".{10,200}?[.!?。](?=\s|$|[^\x00-\x7f])", text)
    return (match[0] if match else text[:200]).rstrip(".!?。 ")


def answer(question):
    if question.text.startswith("{"):
        return question.text
    pieces = []
    for number, title, text in question.sources()[:5]:
        quote = sentence(text) or title
        pieces.append(f"{quote} [{number}]。" if question.japanese else f"{quote} [{number}].")
    if pieces:
        return ("" if question.japanese else " ").join(pieces)
    known = question.part("Notes").strip()
    if question.japanese:
        before = f"前の質問は「{question.past[-1]}」でした。" if question.past else ""
        return f"{before}「{question.text}」というご質問ですね。{known}"
    before = f"Before, you asked: {question.past[-1]} " if question.past else ""
    return f"{before}You asked: {question.text} {known}".strip()


def plan(question):
    most = int(re.search(r"at most (\d+) questions", question.system)[1])
    remark = question.part("Remark").strip()
    parts = re.split(r"\band\b|[?？;；、。]", question.text)
    questions = [part.strip() for part in parts if part.strip()]
    if len(questions) == 1:
        more = "の詳細" if question.japanese else " in detail"
        questions = [question.text, questions[0] + more]
    reply = {"plan": "\n".join(questions), "questions": questions}
    if remark:
        reply["intent"] = "feedback"
        if re.search(r"go ahead|execute|start now|実行|進めて", remark, re.IGNORECASE):
            reply["intent"] = "execute"
        elif re.search(r"looks good|approved|問題ありません", remark, re.IGNORECASE):
            reply["intent"] = "ready"
        else:
            reply["questions"] = [remark, *questions]
            reply["plan"] = "\n".join(reply["questions"])
    reply["questions"] = reply["questions"][:most]
    return reply


def cited(text):
    """The statements of a text that cite sources, with the sources' numbers."""
    for statement, numbers in re.findall(r"([^\[\]\n]+?)((?:\s*\[\d+\])+)", text):
        statement = statement.strip(" .。-*")
        if statement:
            yield statement, [int(number) for number in re.findall(r"\d+", numbers)]


def verify(question):
    against = [n for n, _title, text in question.sources() if re.search("contradict|矛盾", text)]
    claims = []
    for statement, numbers in cited(question.part("Text")):
        claims.append({
            "text": statement,
            "supporting": [n for n in numbers if n not in against],
            "conflicting": [n for n in against if n not in numbers],
            "confidence": 0.6 if against else 0.9,
        })
    return {"claims": claims}


def extract(question):
    facts = []
    for statement, numbers in cited(question.part("Text")):
        year = re.search(r"\b(?:19|20)\d\d\b", statement)
        quantitative = bool(re.search(r"\d", statement))
        facts.append({
            "statement": statement,
            "confidence": 0.9,
            "sources": numbers,
            "category": "number" if quantitative else "product",
            "entities": sorted(set(re.findall(r"taskgate|\b[A-Z][A-Za-z]+\b", statement))),
            "time": year[0] if year else None,
            "quantitative": quantitative,
        })
    return {"facts": facts}


def step(question, names):
    """The tool that a question hints at and that was not used yet."""
    said = "\n\n" + question.part("What the tools have said")
    hints = [
        ("calc", r"\d+(?:\.\d+)?(?:\s*[-+*/^]\s*\d+(?:\.\d+)?)+"),
        ("fetch", r"https?://[^\s、。]+"),
        ("search", r"(?s).+"),
    ]
    for part, pattern in hints:
        found = re.search(pattern, question.text)
        for name in names:
            if found and part in name and f"\n\n{name}: " not in said:
                return name, found[0]
    return None, None


def reply(question, body):
    """The text of an answer, and the call of a tool."""
    if question.tools:
        name, given = step(question, [tool["name"] for tool in question.tools])
        if name is None:
            return "ready", None
        tool = next(tool for tool in question.tools if tool["name"] == name)
        return "", (name, json.dumps({tool["parameters"]["required"][0]: given}))
    if (body.get("response_format") or {}).get("type") != "json_object":
        return answer(question), None
    if '"claims"' in question.system:
        value = verify(question)
    elif '"facts"' in question.system:
        value = extract(question)
    elif '"questions"' in question.system:
        value = plan(question)
    else:
        names = re.findall(r"^- (\w+):", question.system, re.MULTILINE)
        name, given = step(question, names)
        value = {"tool": name, "input": given}
    return json.dumps(value, ensure_ascii=False), None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    key = None

    def log_message(self, *_):
        pass

    def send_json(self, status, value, headers=()):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, text in headers:
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)

    def send_error_object(self, status, message, headers=()):
        kind = "server_error" if status >= 500 else "invalid_request_error"
        error = {"message": message, "type": kind, "param": None, "code": None}
        self.send_json(status, {"error": error}, headers)

    def do_GET(self):
        if self.path == "/requests":
            self.send_json(200, REQUESTS)
        elif self.path == "/usages":
            self.send_json(200, USAGES)
        elif self.path == "/running":
            self.send_json(200, RUNNING.count)
        else:
            self.send_error_object(404, "Unknown request URL")

    def do_POST(self):
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        except (TypeError, ValueError):
            return self.send_error_object(400, "We could not parse the JSON body of your request.")
        if self.path == "/fault":
            FAULTS.order(body.get("kind"), body.get("times"))
            return self.send_json(200, {})
        if self.path != "/v1/chat/completions":
            return self.send_error_object(404, "Unknown request URL")
        if self.key and self.headers["Authorization"] != f"Bearer {self.key}":
            given = (self.headers["Authorization"] or "").removeprefix("Bearer ")
            return self.send_error_object(401, f"Incorrect API key provided: {given}")
        if not isinstance(body.get("model"), str) or not body.get("messages"):
            return self.send_error_object(400, "you must provide a model and messages")
        REQUESTS.append(body)
        try:
            with RUNNING:
                self.complete(body, FAULTS.of(body["model"]))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def complete(self, body, fault):
        if fault == "down":
            self.close_connection = True
            return None
        if fault == "html":
            self.send_response(502)
            self.send_header("Content-Length", "15")
            self.end_headers()
            return self.wfile.write(b"<h1>Sorry.</h1>")
        if fault in STATUSES:
            status, message = STATUSES[fault]
            headers = [("Retry-After", "1")] if fault == "limited" else []
            return self.send_error_object(status, message, headers)
        cap = body.get("max_completion_tokens", body.get("max_tokens"))
        if cap is not None and cap > MOST_WRITTEN:
            message = (
                f"max_tokens is too large: {cap}. This model supports at most {MOST_WRITTEN} "
                f"completion tokens, whereas you provided {cap}."
            )
            return self.send_error_object(400, message)
        question = Question(body)
        if fault == "no-tools" and question.tools:
            return self.send_error_object(400, f"{body['model']} does not support tools")
        text, call = reply(question, body)
        structured = body.get("response_format") is not None
        if structured and fault == "fenced":
            text = f"Here it is:\n```json\n{text}\n```\nI hope that it helps."
        elif structured and fault == "prose":
            text = "I would rather not."
        finish = "tool_calls" if call else "stop"
        if fault == "length":
            text, finish = text[: len(text) // 2], "length"
        if cap is not None and estimate(text) > cap:
            text, finish = shorten(text, cap), "length"
        if fault == "blank":
            text, call = "", None
        if fault == "thinking":
            text = f"<think>\nHm, [9]? I wonder.\n</think>\n\n{text}"
        written = estimate(text) + (estimate("".join(call)) if call else 0)
        sent = sum(estimate(message["content"]) + 4 for message in body["messages"])
        counts = {"prompt_tokens": sent, "completion_tokens": written}
        usage = {**counts, "total_tokens": sent + written}
        if body.get("stream") and fault != "plain":
            return self.stream(body, fault, text, call, finish, usage)
        message = {"role": "assistant", "content": text or None}
        if call:
            message["tool_calls"] = [tool_call(call)]
        whole = {**head(body, "chat.completion"), "choices": [
            {"index": 0, "message": message, "finish_reason": finish}
        ], "usage": usage}
        if fault == "empty":
            whole["choices"] = []
        if fault == "no-usage":
            del whole["usage"]
        else:
            USAGES.append({"model": body["model"], **usage})
        return self.send_json(200, whole)

    def stream(self, body, fault, text, call, finish, usage):
        shape = head(body, "chat.completion.chunk")

        def part(delta, finish_reason=None):
            choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
            return {**shape, "choices": [choice]}

        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        parts = []
        if fault != "empty":
            parts.append(part({"role": "assistant", "content": None if call else ""}))
            if call:
                name, arguments = call
                start = {"index": 0, **tool_call((name, ""))}
                parts.append(part({"tool_calls": [start]}))
                for piece in pieces(arguments):
                    goes_on = {"index": 0, "function": {"arguments": piece}}
                    parts.append(part({"tool_calls": [goes_on]}))
            parts.extend(part({"content": piece}) for piece in pieces(text))
            ends = "content_filter" if fault == "filtered" else finish
            parts.append(part({}, ends))
        wants_usage = (body.get("stream_options") or {}).get("include_usage")
        if wants_usage and fault != "no-usage":
            parts.append({**shape, "choices": [], "usage": usage})
        breaks = fault in ("stall", "cut", "broken", "error")
        if wants_usage and fault != "no-usage" and not breaks:
            USAGES.append({"model": body["model"], **usage})
        for value in parts[:2] if breaks else parts:
            self.send_piece(f"data: {json.dumps(value)}\n\n")
            time.sleep(PAUSES.get(fault, 0))
        if fault == "stall":
            time.sleep(60)
        elif fault == "broken":
            self.send_piece('data: {"choices": [{"delta"\n\n')
        elif fault == "error":
            error = {"message": "The server had an error", "type": "server_error", "code": None}
            self.send_piece(f"data: {json.dumps({'error': error})}\n\n")
        if fault in ("stall", "cut"):
            self.close_connection = True
            return
        self.send_piece("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def send_piece(self, text):
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def head(body, kind):
    return {"id": "chatcmpl-1", "object": kind, "created": 1767225600, "model": body["model"]}


def tool_call(call):
    name, arguments = call
    return {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}


def pieces(text):
    """A text in pieces of about a word."""
    return re.findall(r"\s*\S{1,12}|\s+", text)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # Many tasks ask at the same time.
    request_queue_size = 128

    def handle_error(self, request, client_address):
        # Clients that are killed leave without a word, which is no news.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser(description="An endpoint of chat completions for tests.")
    parser.add_argument("--key", help="the key that requests must have")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    Handler.key = options.key
    server = Server(("127.0.0.1", options.port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.buffer.read()
    # At once, whatever is still being answered.
    os._exit(0)


if __name__ == "__main__":
    main()
