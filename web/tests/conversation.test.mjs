// How the chat is laid out, what was not seen yet, and how it is said.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RequestError } from "../client/protocol.js";
import { noChat, updateChat } from "../client/state/chat.js";
import { countUnseen, sameUpTo, startsBlock, typers } from "../pages/state/conversation.js";
import { gapText, peopleText, personText, sayProblem, typingText } from "../pages/words.js";

/** @import { Line } from "../client/state/chat.js" */

/**
 * @param {string} member
 * @param {number} [atMs]
 * @returns {Line}
 */
function said(member, atMs = 0, name = "N") {
  return { type: "said", said: { id: `${member}${atMs}`, member, name, text: "x", at_ms: atMs } };
}

/** @type {Line} */
const gap = { type: "gap", lost: 2 };

test("one who goes on is named once, until someone else speaks, the name changes, or time passes", () => {
  const first = said("a");
  assert.equal(startsBlock(undefined, first), true);
  assert.equal(startsBlock(first, said("a", 60_000)), false);
  assert.equal(startsBlock(first, said("a", 301_000)), true);
  assert.equal(startsBlock(first, said("b", 1)), true);
  assert.equal(startsBlock(first, said("a", 1, "Other")), true);
  assert.equal(startsBlock(gap, said("a")), true);
});

test("only what is new is drawn", () => {
  const [a, b, c] = [said("a"), said("b"), said("c")];
  assert.equal(sameUpTo([a, b], [a, b, c]), 2);
  assert.equal(sameUpTo([a, b], [a, gap, b]), 1);
  assert.equal(sameUpTo([a, b], [b]), 0);
  assert.equal(sameUpTo([a, b], [a]), 1);
});

test("what others say while nobody looks is counted, and one look clears it", () => {
  const [a, b, mine] = [said("a"), said("b"), said("me")];
  const hidden = { own: "me", visible: false };
  assert.equal(countUnseen(1, { before: [a], after: [a, gap, b, mine], ...hidden }), 2);
  assert.equal(countUnseen(2, { before: [a, b], after: [a, b], ...hidden }), 2);
  assert.equal(countUnseen(2, { before: [a], after: [a, b], own: "me", visible: true }), 0);
});

test("what was said before the page came is no news", () => {
  const welcome = (/** @type {boolean} */ resumed) => /** @type {any} */ ({ type: "welcome", resumed, chat: { messages: [message("a"), message("b")], gaps: [] } });
  const message = (/** @type {string} */ member) => ({ id: member, member, name: "N", text: "x", at_ms: 0 });
  const hidden = { own: "me", visible: false, before: [] };
  assert.equal(countUnseen(0, { after: updateChat(noChat, welcome(false)), ...hidden }), 0);
  assert.equal(countUnseen(0, { after: updateChat(noChat, welcome(true)), ...hidden }), 2, "what was said while the link was down is");
  const later = updateChat(updateChat(noChat, welcome(false)), { type: "chat", message: message("c") });
  assert.equal(countUnseen(0, { after: later, ...hidden }), 1);
});

test("oneself is not among those who type", () => {
  const guest = (/** @type {string} */ member, typingUntilMs = 1) => /** @type {const} */ ([member, { member, name: null, typingUntilMs }]);
  assert.deepEqual(typers(new Map([guest("me"), guest("a"), guest("b", 0)]), "me").map((g) => g.member), ["a"]);
});

test("people, typing, gaps and refusals are said in words", () => {
  assert.equal(personText({ member: "0123456789abcdef", name: null }), "Guest 0123");
  assert.equal(personText({ member: "0123", name: "Ada" }), "Ada");
  assert.equal(peopleText(1), "1 person here");
  assert.equal(peopleText(0), "0 people here");
  assert.deepEqual([0, 1, 2, 3].map((n) => typingText(["A", "B", "C"].slice(0, n))), ["", "A is typing…", "A and B are typing…", "Several people are typing…"]);
  assert.deepEqual([1, 3, null].map(gapText), ["1 message was lost", "3 messages were lost", "Some messages were lost"]);
  assert.match(sayProblem(new RequestError("too_many", "slow", 1800)), /2 s/);
  assert.match(sayProblem(new RequestError("disconnected", "gone")), /not reachable/);
  assert.match(sayProblem(new RequestError("bad_message", "It is empty.")), /It is empty/);
});
