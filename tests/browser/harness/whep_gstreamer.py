"""Watches a WHEP endpoint with GStreamer's webrtcbin, and prints as lines of JSON what it has decoded and what its jitter buffer
missed. It sends receiver reports, NACKs and requests for key frames, and estimates nothing."""

import json
import sys
import urllib.request

import gi

for name in ("Gst", "GstSdp", "GstWebRTC"):
    gi.require_version(name, "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC

TELL_EACH_MS = 100
VIDEO = "application/x-rtp,media=video,encoding-name=VP8,clock-rate=90000,payload=96,rtcp-fb-nack-pli=true"
DECODER = "rtpvp8depay request-keyframe=true wait-for-keyframe=true ! vp8dec ! fakesink name=end sync=false async=false"


class Viewer:
    def __init__(self, url):
        self.url = url
        self.frames = self.lines = 0
        self.buffers = []
        self.pipeline = Gst.Pipeline.new()
        self.rtc = Gst.ElementFactory.make("webrtcbin")
        self.rtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.pipeline.add(self.rtc)
        self.pipeline.connect("deep-element-added", self.added)
        self.rtc.connect("pad-added", self.received)
        self.rtc.connect("notify::ice-gathering-state", lambda *_: GLib.idle_add(self.offer))

    def watch(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        receives = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
        self.rtc.emit("add-transceiver", receives, Gst.Caps.from_string(VIDEO)).set_property("do-nack", True)
        self.rtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.described))

    def described(self, promise, *_):
        # What it holds belongs to it, so it has to stay.
        reply = promise.get_reply()
        self.rtc.emit("set-local-description", reply.get_value("offer"), None)

    def offer(self):
        """Once all candidates are in it: WHEP without trickling."""
        if self.rtc.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            return
        offer = self.rtc.get_property("local-description").sdp.as_text()
        request = urllib.request.Request(self.url, data=offer.encode(), headers={"content-type": "application/sdp"})
        with urllib.request.urlopen(request) as response:
            _, answer = GstSdp.SDPMessage.new_from_text(response.read().decode())
        kind = GstWebRTC.WebRTCSDPType.ANSWER
        self.rtc.emit("set-remote-description", GstWebRTC.WebRTCSessionDescription.new(kind, answer), None)

    def added(self, _bin, _parent, element):
        factory = element.get_factory()
        if factory and factory.get_name() == "rtpjitterbuffer":
            self.buffers.append(element)

    def received(self, _rtc, pad):
        decoder = Gst.parse_bin_from_description(DECODER, True)
        self.pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pictures = decoder.get_by_name("end").get_static_pad("sink")
        pictures.add_probe(Gst.PadProbeType.BUFFER, self.decoded)
        pad.link(decoder.get_static_pad("sink"))

    def decoded(self, pad, _info):
        self.lines = pad.get_current_caps().get_structure(0).get_int("height")[1]
        self.frames += 1
        return Gst.PadProbeReturn.OK

    def tell(self):
        said = [buffer.get_property("stats") for buffer in self.buffers]
        # What was repeated had not come at first.
        lost = sum(one.get_uint64(name)[1] for one in said for name in ("num-lost", "rtx-success-count"))
        state = self.rtc.get_property("connection-state").value_nick
        print(json.dumps({"frames": self.frames, "lines": self.lines, "state": state, "lost": lost}), flush=True)
        return True


Gst.init(None)
viewer = Viewer(sys.argv[1])
GLib.timeout_add(TELL_EACH_MS, viewer.tell)
viewer.watch()
GLib.MainLoop().run()
