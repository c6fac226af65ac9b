// Names of rooms in any script, and web addresses in what people write: the pure parts.

import assert from "node:assert/strict";
import { test } from "node:test";

import { isName } from "../client/protocol.js";
import { segments } from "../pages/state/links.js";
import { idOf, titleOf } from "../pages/state/title.js";

test("a title becomes an id that an address may have, and comes back from it", () => {
  const titles = ["lobby", "Team Meeting", "회의실", "Überraschung für Ömer", "O'Reilly & Söhne / 2", "What's up?", "עדה", "مرحبا بالعالم", "会议室",
    "🎉 party", ".hidden", "a_b ü", "a b_c", "👩‍👩‍👧 und mehr", "می‌خواهم", "-x", "1.5", "é"];
  for (const title of titles) {
    const id = idOf(title);
    assert.ok(id !== null && isName(id), `${title}: ${id}`);
    assert.equal(titleOf(id), title);
  }
});

test("an id is its own, and the same words lead to the same room", () => {
  for (const id of ["lobby", "team_a", "cam-1x2y", "_", "xn--", "xn--zzzzzzzz"]) assert.equal(idOf(id), id);
  assert.equal(idOf("  Team   Meeting "), "Team_Meeting");
  assert.equal(idOf("e\u0301"), idOf("\u00e9"));
  assert.equal(idOf("Büro"), "xn--Bro-hoa", "what RFC 3492 makes of it");
  assert.notEqual(idOf("Büro"), idOf("büro"));
});

test("what can't be a name has no id, and what is no title is shown as it is", () => {
  for (const text of ["", "   ", "n".repeat(65), "가".repeat(64), "a\u202egnp", "a\u0000b"]) assert.equal(idOf(text), null, JSON.stringify(text));
  for (const id of ["xn--", "xn--a", "xn--zzzzzzzz", "xn--9999999999999", "xn--a-b"]) assert.equal(titleOf(id), id);
});

test("web addresses in a text become links, and nothing else does", () => {
  const links = (/** @type {string} */ text) => segments(text).filter((s) => s.href !== null).map((s) => s.text);
  assert.deepEqual(links("see https://a.example/x?y=1#z, and (http://b.example/w_(c))."), ["https://a.example/x?y=1#z", "http://b.example/w_(c)"]);
  assert.deepEqual(links("<https://a.example> “https://b.example/”"), ["https://a.example", "https://b.example/"]);
  for (const text of ["javascript:alert(1)", "data:text/html,x", "ftp://a.example", "https://", "http://user:pass@a.example", "https://bank.example@evil.example/", "nothttps://a.example", "//a.example", "www.a.example"]) {
    assert.deepEqual(links(text), [], text);
  }
  for (const text of ["", "plain", "a https://a.example b https://b.example!", "<img src=x onerror=alert(1)> https://a.example/\"><b>"]) {
    assert.equal(segments(text).map((s) => s.text).join(""), text);
  }
});
