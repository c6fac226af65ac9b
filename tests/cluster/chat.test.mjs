// A room is one room, whichever nodes its people are at.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { noChat, updateChat } from "../../web/client/state/chat.js";
import { until } from "../browser/harness/until.mjs";
import { Cluster } from "./harness/cluster.mjs";
import { Wire } from "./harness/wire.mjs";

describe("chat across nodes", () => {
  /** @type {Cluster} */
  let cluster;
  before(async () => void (cluster = await Cluster.start()));
  after(() => cluster?.end());

  /**
   * What a page shows. What was said while a node was still opening its room comes as history, as the protocol has it.
   * @param {Wire} wire
   */
  const said = (wire) => {
    /** @type {import("../../web/client/state/chat.js").Chat} */
    let chat = noChat;
    for (const event of [wire.welcome, ...wire.events]) chat = updateChat(chat, event);
    return chat.flatMap((line) => (line.type === "said" ? [line.said] : []));
  };
  /** @param {Wire} wire */
  const texts = (wire) => said(wire).map((message) => message.text);
  /** @param {Wire} wire */
  const assertOnce = (wire) => {
    const ids = wire.events.filter((event) => event.type === "chat").map((event) => event.message.id);
    assert.equal(new Set(ids).size, ids.length, "a message was delivered twice");
  };

  test("everybody hears everybody once, with the sender that the server saw", async () => {
    const people = await Promise.all(cluster.nodes.map((node) => Wire.join(node, { room: "talk", name: `at ${node.name}` })));
    for (const person of people) await person.ask("say", { text: `hello from ${person.welcome.member}` });
    for (const person of people) {
      await until("three messages", () => texts(person).length === 3);
      for (const other of people) {
        const heard = said(person).filter((message) => message.member === other.welcome.member);
        assert.deepEqual(heard.map((message) => message.text), [`hello from ${other.welcome.member}`]);
      }
      assertOnce(person);
      assert.ok(!person.events.some((event) => event.type === "chat_gap"));
    }
    for (const person of people) person.close();
  });

  test("two at one node hear all in the same order", async () => {
    const [one, two] = [await Wire.join(cluster.node(1), { room: "order" }), await Wire.join(cluster.node(1), { room: "order" })];
    const speakers = await Promise.all([2, 3].map((number) => Wire.join(cluster.node(number), { room: "order" })));
    await Promise.all(speakers.flatMap((speaker, at) => [0, 1, 2, 3].map((n) => speaker.ask("say", { text: `${at}:${n}` }))));
    for (const listener of [one, two]) await until("eight messages", () => texts(listener).length === 8);
    assert.deepEqual(texts(one), texts(two));
    for (const wire of [one, two, ...speakers]) wire.close();
  });

  test("who comes later, and to another node, finds what was said", async () => {
    const speaker = await Wire.join(cluster.node(1), { room: "history" });
    for (const text of ["one", "two", "three"]) await speaker.ask("say", { text });
    const late = await Wire.join(cluster.node(3), { room: "history" });
    await until("the history", () => JSON.stringify(texts(late)) === JSON.stringify(["one", "two", "three"]));
    assertOnce(late);
    speaker.close();
    late.close();
  });

  test("who is here is known at every node, and who left too", async () => {
    const here = (/** @type {Wire} */ wire) => {
      const people = new Set((wire.welcome.here ?? []).map((/** @type {any} */ person) => person.member));
      for (const event of wire.events) {
        if (event.type === "joined") people.add(event.person.member);
        if (event.type === "left") people.delete(event.member);
        if (event.type === "here") {
          people.clear();
          for (const person of event.people) people.add(person.member);
        }
      }
      return people;
    };
    const people = await Promise.all(cluster.nodes.map((node) => Wire.join(node, { room: "here" })));
    for (const person of people) await until("all three are here", () => here(person).size === 3);
    const [gone, ...rest] = people;
    gone?.leave();
    for (const person of rest) await until("one has left", () => here(person).size === 2);
    for (const person of rest) person.close();
  });
});
