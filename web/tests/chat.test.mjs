// What was said, and who is here: the reducers, and what is told to the server of one who types.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Emitter } from "../client/emitter.js";
import { RoomChat } from "../client/chat.js";
import { audienceOf, updatePlayers } from "../client/state/audience.js";
import { LINES_MAX, noChat, updateChat } from "../client/state/chat.js";
import { TYPING_MS, nextTypingEndMs, nobody, updatePeople } from "../client/state/people.js";
import { audienceText } from "../pages/words.js";
import { advance, install } from "./clock.mjs";

/** @import { Gap, Said, ServerEvent, Welcome } from "../client/protocol.js" */
/** @import { Chat } from "../client/state/chat.js" */

beforeEach(install);

/** @param {string | number} id */
function said(id, member = "m") {
  return { id: String(id), member, name: null, text: `text ${id}`, at_ms: 1 };
}

/**
 * @param {Said[]} messages
 * @param {Gap[]} [gaps]
 * @returns {Welcome}
 */
function welcome(messages, gaps = []) {
  const rest = { member: "me", resume: "s", resumed: false, sessions: [], room: "r", streams: [], ice_servers: [] };
  return { type: "welcome", ...rest, chat: { messages, gaps } };
}

/** @param {(string | number)[]} ids */
function many(...ids) {
  return ids.map((id) => said(id));
}

/** @param {Chat} chat */
function lines(chat) {
  return chat.map((line) => (line.type === "said" ? line.said.id : `-${line.lost ?? "?"}`)).join(" ");
}

/**
 * @param {(Welcome | ServerEvent)[]} events
 * @param {Chat} [chat]
 */
function chatAfter(events, chat = noChat) {
  return events.reduce(updateChat, chat);
}

test("messages come in the order of the server, each once", () => {
  const chat = chatAfter([welcome(many("a", "b")), { type: "chat", message: said("c") }, { type: "chat", message: said("c") }]);
  assert.equal(lines(chat), "a b c");
  assert.equal(updateChat(chat, { type: "chat", message: said("b") }), chat);
});

test("a page that comes back finds what was said meanwhile, and nothing twice", () => {
  const before = chatAfter([welcome(many("a", "b"))]);
  assert.equal(lines(updateChat(before, welcome(many("a", "b", "c", "d")))), "a b c d");
  assert.equal(updateChat(before, welcome(many("a", "b"))), before);
});

test("a server without chat in its welcome takes nothing away", () => {
  const before = chatAfter([welcome(many("a"))]);
  const { chat, ...old } = welcome([]);
  assert.equal(updateChat(before, old), before);
});

test("a page that was away for more than the server keeps says so", () => {
  const before = chatAfter([welcome(many("a"))]);
  const hundred = many(...Array.from({ length: 100 }, (_, n) => `n${n}`));
  assert.ok(lines(updateChat(before, welcome(hundred))).startsWith("a -? n0 "));
  assert.ok(lines(updateChat(before, welcome(hundred.slice(1)))).startsWith("a n1 "), "fewer than the most are all there were");
  assert.ok(lines(chatAfter([welcome(hundred)])).startsWith("n0"), "a newcomer misses nothing");
});

test("lost messages are shown where they are missing, and summed up", () => {
  const chat = chatAfter([welcome(many("a", "b")), { type: "chat_gap", lost: 2, before: "b" }, { type: "chat_gap", lost: 1, before: "b" }]);
  assert.equal(lines(chat), "a -3 b");
  assert.equal(lines(updateChat(chat, { type: "chat_gap", lost: 4, before: null })), "a -3 b -4");
  assert.equal(lines(updateChat(chat, { type: "chat_gap", lost: 4, before: "unknown" })), "a -3 b -4");
});

test("a gap told again with the history is the same gap", () => {
  const chat = chatAfter([welcome(many("a")), { type: "chat_gap", lost: 2, before: null }, { type: "chat", message: said("b") }]);
  assert.equal(lines(chat), "a -2 b");
  assert.equal(lines(updateChat(chat, welcome(many("a", "b"), [{ before: "b", lost: 2 }]))), "a -2 b");
  assert.equal(lines(updateChat(chat, welcome(many("a", "b", "c"), [{ before: "b", lost: 2 }, { before: "c", lost: 1 }]))), "a -2 b -1 c");
});

test("what another node remembers of earlier comes first", () => {
  const chat = chatAfter([{ type: "chat", message: said("c") }]);
  const history = { type: /** @type {const} */ ("chat_history"), messages: many("a", "b", "c"), gaps: [{ before: "b", lost: 7 }] };
  assert.equal(lines(updateChat(chat, history)), "a -7 b c");
});

test("a page keeps a limited number of lines", () => {
  const chat = chatAfter(Array.from({ length: LINES_MAX + 5 }, (_, n) => ({ type: /** @type {const} */ ("chat"), message: said(n) })));
  assert.equal(chat.length, LINES_MAX);
  assert.equal(lines(chat.slice(0, 1)), "5");
});

test("people come, get names and leave, in the order in which they came", () => {
  let people = updatePeople(nobody, { ...welcome([]), here: [{ member: "a", name: "Ada" }, { member: "b" }] }, 0);
  people = updatePeople(people, { type: "joined", person: { member: "c", name: "" } }, 0);
  people = updatePeople(people, { type: "joined", person: { member: "b", name: "Bo" } }, 0);
  assert.deepEqual([...people.values()].map((g) => g.name), ["Ada", "Bo", null]);
  people = updatePeople(people, { type: "left", member: "a" }, 0);
  assert.deepEqual([...people.keys()], ["b", "c"]);
  assert.equal(updatePeople(people, { type: "left", member: "a" }, 0), people);
  people = updatePeople(people, { type: "here", people: [{ member: "z" }] }, 0);
  assert.deepEqual([...people.keys()], ["z"]);
});

test("who watches is who shows nothing, and players who are no members", () => {
  const here = updatePeople(nobody, { ...welcome([]), here: [{ member: "a", name: "Ada" }, { member: "b", name: "Bo" }, { member: "c" }] }, 0);
  const stream = { stream: "cam", publisher: "a", name: "Ada", since_ms: 1, tracks: [] };
  const players = updatePlayers(updatePlayers(0, { ...welcome([]), players: 3 }), { type: "players", players: 2 });
  assert.equal(updatePlayers(players, { type: "left", member: "x" }), 2);
  const audience = audienceOf(here, [stream], players);
  assert.equal(audienceText(audience, { named: false, member: "b" }), "4 watching");
  assert.equal(audienceText(audience, { named: true, member: "a" }), "Only watching: Bo, Guest c, 2 others");
  assert.equal(audienceText(audience, { named: true, member: "b" }), "Only watching: Guest c, 2 others", "oneself is not told");
  assert.equal(audienceText({ members: [], players: 1 }, { named: true, member: "a" }), "Only watching: 1 without a name");
  assert.equal(audienceText(audienceOf(nobody, [stream], 0), { named: false, member: "" }), "");
});

test("who types stops when saying something, leaving, or after five seconds", () => {
  const here = updatePeople(nobody, { type: "here", people: [{ member: "a" }, { member: "b" }] }, 0);
  const typing = updatePeople(here, { type: "typing", member: "a", typing: true }, 1000);
  assert.equal(nextTypingEndMs(typing), 1000 + TYPING_MS);
  assert.equal(nextTypingEndMs(updatePeople(typing, { type: "chat", message: said("x", "a") }, 1100)), null);
  assert.equal(nextTypingEndMs(updatePeople(typing, { type: "left", member: "a" }, 1100)), null);
  assert.equal(updatePeople(typing, { type: "time" }, 999 + TYPING_MS), typing);
  assert.equal(nextTypingEndMs(updatePeople(typing, { type: "time" }, 1000 + TYPING_MS)), null);
  assert.equal(updatePeople(here, { type: "typing", member: "stranger", typing: true }, 0), here);
});

/**
 * The part of a connection that the chat uses.
 * @extends {Emitter<Record<string, any>>}
 */
class FakeLink extends Emitter {
  /** @type {[string, any][]} */
  asked = [];
  /**
   * @param {string} type
   * @param {any} fields
   */
  async request(type, fields) {
    this.asked.push([type, fields]);
  }
}

test("typing is told once per three seconds, its end once, and speaking ends it by itself", async () => {
  const link = new FakeLink();
  const chat = new RoomChat(/** @type {any} */ (link));
  chat.typing(false);
  chat.typing(true);
  chat.typing(true);
  chat.typing(false);
  chat.typing(false);
  chat.typing(true);
  await chat.say("x");
  chat.typing(false);
  assert.deepEqual(link.asked.map(([type, fields]) => (type === "say" ? "say" : fields.typing)), [true, false, true, "say"]);
});

test("who stopped typing without a word is told by the page's own clock", () => {
  const link = new FakeLink();
  const chat = new RoomChat(/** @type {any} */ (link));
  link.emit("welcome", { ...welcome([]), here: [{ member: "a" }] });
  link.emit("event", { type: "typing", member: "a", typing: true });
  let told = 0;
  chat.on("people", () => (told += 1));
  const realNow = performance.now;
  performance.now = () => realNow.call(performance) + TYPING_MS + 10;
  advance(TYPING_MS + 10);
  performance.now = realNow;
  assert.equal(told, 1);
  assert.equal(nextTypingEndMs(chat.people), null);
});
