// Owns the watch page: all streams of a room, or one.

import { Room } from "../client/room.js";
import { at, namesIn, ownName, ownToken } from "./address.js";
import { AudienceLine } from "./audience.js";
import { ChatPanel } from "./chat.js";
import { el, named, need } from "./dom.js";
import { Notice } from "./notice.js";
import { titleOf } from "./state/title.js";
import { Viewing } from "./viewing.js";

const ABSENCE = {
  before: { title: "Nobody is live yet", text: "Pictures appear here by themselves as soon as somebody goes live." },
  after: { title: "It has ended", text: "Should somebody go live again, it appears here by itself." },
};

const { room: name, stream } = namesIn(location.pathname);

if (name) {
  document.title = `${titleOf(stream ?? name)} · Chappe`;
  need("place", HTMLElement).replaceChildren(...named(name), ...(stream ? [" / ", el("bdi", {}, titleOf(stream))] : []));
  need("publish-link", HTMLAnchorElement).href = at(`/publish?room=${encodeURIComponent(name)}`);
  const own = ownName();
  const room = new Room({ room: name, name: own, token: ownToken() });
  new AudienceLine(room, { named: false });
  new Viewing(room, { name, absence: ABSENCE });
  new ChatPanel(room, { name: own, open: false });
  room.watch(stream ? [stream] : "all", { own: true });
} else {
  for (const id of ["link-state", "chat-toggle"]) need(id, HTMLElement).hidden = true;
  new Notice().update({
    title: "This address names no room.",
    text: "Room names have letters, digits, dot, dash and underscore, at most 64.",
    tone: "bad",
    actions: [{ label: "To the start page", run: () => location.assign(at("/")) }],
  });
}
