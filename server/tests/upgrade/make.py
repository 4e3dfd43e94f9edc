"""Makes the data folder of an old version, for the test that opens it with a new one: see README.md.

    python3 make.py OLD_BINARY NEW_FOLDER

Drives the old binary as people do, by forms and by commands, and packs what it left behind.
"""

import gzip
import http.cookiejar
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

HERE = pathlib.Path(__file__).resolve().parent
BASE = HERE.parent.parent.parent / "reward_model/tests/fixtures/tiny"
PASSWORD = "a few words do well"


class Site:
    """The old server over a data folder."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.env = {
            **os.environ,
            "TOUCHSTONE_DATA_DIR": "data",
            # By a name that says nothing of this machine.
            "TOUCHSTONE_BASE_MODEL": "base",
            "TOUCHSTONE_LISTEN": self.url[len("http://"):],
        }

    def command(self, *args):
        done = subprocess.run([self.binary, *args], cwd=self.folder, env=self.env, capture_output=True)
        if done.returncode != 0:
            sys.exit(f"{args}: {done.stderr.decode()}")
        return done.stdout

    def __enter__(self):
        self.process = subprocess.Popen([self.binary, "serve"], cwd=self.folder, env=self.env)
        for _ in range(200):
            try:
                urllib.request.urlopen(self.url + "/health")
                return self
            except OSError:
                time.sleep(0.05)
        sys.exit("the old server does not answer")

    def __exit__(self, *_):
        # As an operator stops it: what runs is handed back.
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class Browser:
    """One person."""

    def __init__(self, site):
        self.site = site
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)

    def send(self, path, body=None, kind=None, accept="text/html"):
        request = urllib.request.Request(self.site.url + path, data=body)
        request.add_header("Accept", accept)
        request.add_header("Origin", self.site.url)
        request.add_header("Referer", self.site.url + path)
        if kind:
            request.add_header("Content-Type", kind)
        with self.opener.open(request) as answer:
            return answer.url, answer.read().decode()

    def get(self, path):
        return self.send(path)[1]

    def form(self, path, fields):
        body = urllib.parse.urlencode(fields).encode()
        return self.send(path, body, "application/x-www-form-urlencoded")

    def ask(self, path, value):
        _, body = self.send(path, json.dumps(value).encode(), "application/json", "application/json")
        return json.loads(body) if body else None

    def upload(self, project, name, text, annotator):
        mark = uuid.uuid4().hex
        part = f'--{mark}\r\nContent-Disposition: form-data; name="'
        body = f'{part}annotator"\r\n\r\n{annotator}\r\n{part}file"; filename="{name}"\r\n\r\n{text}\r\n--{mark}--\r\n'
        path = f"/projects/{project}/import/upload"
        self.send(path, body.encode(), f"multipart/form-data; boundary={mark}")


def identifier(url):
    return re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", url)[0]


def invited(site, owner, role, name):
    _, page = owner.form("/team/invites", {"role": role})
    link = re.search(r"/join/[A-Za-z0-9_-]+", page)[0]
    person = Browser(site)
    account = {"name": name, "email": f"{name.lower()}@example.org", "password": PASSWORD, "repeat": PASSWORD}
    person.form(link, account)
    return person


def judge(person, project, kind, said):
    """Gives these judgements, one after the other, and returns them with their tasks."""
    given = []
    for verdict, more in said:
        task = person.ask("/fn/judge/next", {"project": project, "kind": kind, "without": []})[0]
        shown = [response["id"] for response in task["responses"]]
        ranking = {
            "preferred": [shown[:1], shown[1:]],
            "tied": [shown],
            "both_bad": [shown],
            "ranked": [shown[2:3], shown[:2], shown[3:]],
        }.get(verdict["verdict"], [])
        submission = {
            "id": str(uuid.uuid4()),
            "comparison_id": task["comparison_id"],
            "verdict": verdict,
            "ranking": ranking,
            "presented": shown,
            "flagged": False,
            "justification": None,
            "confidence": None,
            "active_ms": 1200,
            "supersedes": task["supersedes"],
            **more,
        }
        person.ask("/fn/judge/submit", {"project": project, "submission": submission})
        given.append(submission)
    return given


def again(person, project, old, **changes):
    """Replaces a judgement."""
    new = {**old, "id": str(uuid.uuid4()), "supersedes": old["id"], **changes}
    person.ask("/fn/judge/submit", {"project": project, "submission": new})
    return new


def pairs():
    """Lines of preference, with what makes trouble among them."""
    lines = [
        {"prompt": f"question {n}", "chosen": f"thank you, here is help number {n}", "rejected": f"no, {n} is stupid",
         "category": ["facts", "advice"][n % 2], "language": "en", "margin": n % 3}
        for n in range(48)
    ]
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello? 👋 שלום"}]
    lines.append({"prompt": turns, "chosen": [{"role": "assistant", "content": "Hi\r\n\tthere 🙂"}],
                  "rejected": [{"role": "assistant", "content": "<b>No</b>"}]})
    lines.append({"prompt": "question 1", "chosen": "no, 1 is stupid", "rejected": "thank you, here is help number 1"})
    lines.append({"prompt": "an empty answer", "chosen": "", "rejected": "words"})
    return "\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n"


def wait_for(browser, run, wanted, log=False):
    for _ in range(2400):
        if re.search(wanted, browser.get(f"/runs/{run}/log.txt" if log else f"/runs/{run}")):
            return
        time.sleep(0.05)
    sys.exit(f"{run} never came to {wanted}")


def train(lead, project, name, method, settings):
    fields = {"form[project]": project, "form[name]": name, "form[source]": "all", "form[corrections]": "true",
              "form[rankings]": "true", "form[margins]": "true", "form[held_out]": "share", "form[percent]": "20",
              "form[split_seed]": "1", "form[method]": method}
    fields.update({f"form[settings][{key}]": str(value) for key, value in settings.items()})
    return identifier(lead.form("/fn/runs/create", fields)[0])


def people_judge(site, told):
    owner = Browser(site)
    owner.form("/setup", {"name": "Olga", "email": "olga@example.org", "password": PASSWORD, "repeat": PASSWORD})
    lead = invited(site, owner, "lead", "Lea")
    reviewer = invited(site, owner, "reviewer", "Rea")
    trainer = invited(site, owner, "trainer", "Tom")
    gone = invited(site, owner, "trainer", "Gus")
    owner.form("/team/invites", {"role": "trainer"})

    demo = identifier(lead.form("/fn/projects/create-demo", {})[0])
    lead.form("/fn/projects/instructions", {"project": demo, "instructions": "Prefer what *helps*."})
    much, slightly = ({"verdict": "preferred", "strength": strength} for strength in ("much", "slightly"))
    given = judge(trainer, demo, "pair", [
        (much, {"justification": "It says why.\n“Quoted”, and ü."}),
        (slightly, {"flagged": True}),
        ({"verdict": "tied"}, {"confidence": 3}),
        ({"verdict": "both_bad"}, {}),
        ({"verdict": "skipped", "reason": "language"}, {}),
        (much, {}),
        (much, {"confidence": 1, "justification": "Unsure"}),
        *[(slightly, {})] * 6,
    ])
    # Taken back; changed; taken back and judged anew.
    withdrawn = {"verdict": {"verdict": "withdrawn"}, "ranking": []}
    again(trainer, demo, given[5], **withdrawn)
    again(trainer, demo, given[6], verdict=slightly, justification="Now sure", confidence=3)
    back = again(trainer, demo, given[7], **withdrawn)
    again(trainer, demo, back, verdict=much, ranking=given[7]["ranking"])
    judge(trainer, demo, "ranking", [({"verdict": "ranked"}, {})] * 4)
    judge(reviewer, demo, "pair", [(much, {}), ({"verdict": "tied"}, {}), (slightly, {"flagged": True})])
    judge(gone, demo, "pair", [(much, {})] * 2)

    correction = {"project": demo, "comparison": given[0]["comparison_id"], "response": given[0]["presented"][0],
                  "content": "What should have been said:\n\n- *this*", "id": str(uuid.uuid4())}
    trainer.form("/fn/corrections/save", correction)
    second = {**correction, "id": str(uuid.uuid4()), "supersedes": correction["id"], "content": "Better still."}
    trainer.form("/fn/corrections/save", second)
    trainer.form("/fn/corrections/save", {"project": demo, "comparison": given[3]["comparison_id"],
                                          "id": str(uuid.uuid4()), "content": "From nothing"})
    team = owner.get("/team")
    told["disabled"] = "gus@example.org"
    gus = re.search(r"/team/people/([0-9a-f-]{36})/disable", team[team.index("gus@example.org"):])[1]
    owner.form(f"/team/people/{gus}/disable", {})
    _, page = lead.form("/account/tokens", {"name": "laptop"})
    told["token"] = re.search(r"ts_[A-Za-z0-9_-]{20,}", page)[0]
    return lead, demo


def main():
    binary, place = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    place.mkdir()
    shutil.copytree(BASE, place / "base")
    site = Site(binary, place)
    told = {"password": PASSWORD}
    (place / "pairs.jsonl").write_text(pairs())
    with site:
        lead, demo = people_judge(site, told)
        imported = identifier(lead.form("/fn/projects/create", {"name": "Imported", "instructions": ""})[0])
        lead.upload(imported, "pairs.jsonl", pairs(), "dataset")
        for _ in range(200):
            if len(re.findall("question", lead.send(f"/projects/{imported}/export.jsonl")[1])) > 45:
                break
            time.sleep(0.05)
        done = train(lead, imported, "The head", "head", {"max_tokens": 48})
        wait_for(lead, done, "See the scores")
        half = train(lead, imported, "Half-way", "lora",
                     {"epochs": 150, "max_tokens": 32, "lora_rank": 2, "lora_alpha": 4,
                      "checkpoint_every_steps": 5, "evaluate_every": 20})
        wait_for(lead, half, "Checkpoint at step [1-9][0-9]", log=True)
    site.command("import", "pairs.jsonl", "--project", "By command")
    told.update(demo=demo, imported=imported, done=done, half=half)
    told["projects"] = ["Demo", "Imported", "By command"]
    pack(site, place, told)


def pack(site, place, told):
    data = place / "data"
    database = sqlite3.connect(data / "touchstone.db")
    # Names of the machine that this was made on.
    database.execute("UPDATE job SET worker = 'maker:1:0' WHERE worker IS NOT NULL")
    database.execute("UPDATE job SET payload = json_set(payload, '$.path', 'uploads/gone') WHERE kind = 'import'")
    database.commit()
    told["projects"] = {name: identity for name, identity in
                        ((name, str(uuid.UUID(bytes=raw))) for name, raw in database.execute("SELECT name, id FROM project"))}
    database.execute("VACUUM")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    for name in told["projects"]:
        out = place / "out.jsonl"
        site.command("export", "--project", name, "--out", "out.jsonl")
        with gzip.GzipFile(HERE / f"{told['projects'][name]}.jsonl.gz", "w", mtime=0) as packed:
            packed.write(out.read_bytes())
        out.unlink()
    told["version"] = site.command("--version").decode().strip()
    (HERE / "told.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    shutil.rmtree(data / "cache", ignore_errors=True)
    with tarfile.open(HERE / "data.tar.gz", "w:gz") as tar:
        tar.add(data, arcname="data", filter=nobodys)


def nobodys(file):
    file.uid = file.gid = file.mtime = 0
    file.uname = file.gname = ""
    return file


main()
