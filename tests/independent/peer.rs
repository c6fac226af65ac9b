//! Owns clients made of the `webrtc` crate's PeerConnection: an implementation that shares no code with ours.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use bytes::Bytes;
use rtc::crypto::{SignatureScheme, default_provider};
use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::certificate::RTCCertificate;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_VP8, MediaEngine};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::sync::watch;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState, RTCPeerConnectionState,
};

pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// One PeerConnection with a VP8 video m-line.
pub struct Client {
    connection: Box<dyn PeerConnection>,
    observed: Arc<Observed>,
    track: Option<Arc<TrackLocalStaticRTP>>,
    ssrc: u32,
}

/// What the event handler has seen.
pub struct Observed {
    gathered: watch::Sender<bool>,
    connected: watch::Sender<bool>,
    packets: AtomicU64,
    /// Sequence numbers that did not follow their predecessor.
    gaps: AtomicU64,
}

struct Handler(Arc<Observed>);

impl Client {
    pub async fn publisher() -> Result<Client> {
        Client::publisher_with(Vec::new(), LOOPBACK).await
    }

    /// Sends from this address of the machine, and takes only answers from where it sends to.
    pub async fn publisher_at(ip: IpAddr) -> Result<Client> {
        Client::publisher_with(Vec::new(), ip).await
    }

    /// With a certificate like that of GStreamer up to 1.22.
    pub async fn publisher_with_rsa() -> Result<Client> {
        Client::publisher_with(vec![rsa_certificate()?], LOOPBACK).await
    }

    async fn publisher_with(certificates: Vec<RTCCertificate>, ip: IpAddr) -> Result<Client> {
        let ssrc = rand::random::<u32>();
        let track = Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
            "stream".to_owned(),
            "video".to_owned(),
            "video".to_owned(),
            RtpCodecKind::Video,
            vec![RTCRtpEncodingParameters {
                rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
                codec: vp8(),
                ..Default::default()
            }],
        )));
        let (connection, observed) = connection(certificates, ip).await?;
        connection.add_track(Arc::clone(&track) as Arc<dyn TrackLocal>).await?;
        Ok(Client { connection, observed, track: Some(track), ssrc })
    }

    pub async fn viewer() -> Result<Client> {
        Client::viewer_at(LOOPBACK).await
    }

    pub async fn viewer_at(ip: IpAddr) -> Result<Client> {
        let (connection, observed) = connection(Vec::new(), ip).await?;
        let init = RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Recvonly, ..Default::default() };
        connection.add_transceiver_from_kind(RtpCodecKind::Video, Some(init)).await?;
        Ok(Client { connection, observed, track: None, ssrc: 0 })
    }

    /// The complete offer, all candidates gathered.
    pub async fn offer(&self) -> Result<String> {
        let offer = self.connection.create_offer(None).await?;
        let mut gathered = self.observed.gathered.subscribe();
        self.connection.set_local_description(offer).await?;
        within("ICE gathering", gathered.wait_for(|done| *done)).await??;
        Ok(self.connection.local_description().await.context("no local description")?.sdp)
    }

    pub async fn accept(&self, answer: String) -> Result<()> {
        let mut connected = self.observed.connected.subscribe();
        self.connection.set_remote_description(RTCSessionDescription::answer(answer)?).await?;
        within("ICE and DTLS", connected.wait_for(|done| *done)).await??;
        Ok(())
    }

    /// Sends one single-packet frame; every 30th is a key frame.
    pub async fn send_frame(&self, number: u16) -> Result<()> {
        let mut payload = vec![0u8; 600];
        payload[0] = 0x10; // RFC 7741 section 4.2: start of the first partition.
        payload[1] = u8::from(!number.is_multiple_of(30)); // RFC 6386 section 9.1: the lowest bit is 0 in a key frame.
        let packet = rtp::Packet {
            header: rtp::header::Header {
                version: 2,
                marker: true,
                payload_type: 96,
                sequence_number: number,
                timestamp: u32::from(number) * 3000,
                ssrc: self.ssrc,
                ..Default::default()
            },
            payload: Bytes::from(payload),
        };
        self.track.as_ref().context("a viewer sends nothing")?.write_rtp(packet).await?;
        Ok(())
    }

    pub fn packets(&self) -> u64 {
        self.observed.packets.load(Ordering::Relaxed)
    }

    pub fn gaps(&self) -> u64 {
        self.observed.gaps.load(Ordering::Relaxed)
    }

    pub async fn close(self) -> Result<()> {
        Ok(self.connection.close().await?)
    }
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.0.gathered.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.0.connected.send_replace(state == RTCPeerConnectionState::Connected);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let observed = Arc::clone(&self.0);
        tokio::spawn(async move {
            let mut last: Option<u16> = None;
            while let Some(event) = track.poll().await {
                let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
                let sequence = packet.header.sequence_number;
                if last.is_some_and(|last| last.wrapping_add(1) != sequence) {
                    observed.gaps.fetch_add(1, Ordering::Relaxed);
                }
                last = Some(sequence);
                observed.packets.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

async fn connection(certificates: Vec<RTCCertificate>, ip: IpAddr) -> Result<(Box<dyn PeerConnection>, Arc<Observed>)> {
    let observed = Arc::new(Observed {
        gathered: watch::Sender::new(false),
        connected: watch::Sender::new(false),
        packets: AtomicU64::new(0),
        gaps: AtomicU64::new(0),
    });
    let connection = built(certificates, ip, Arc::new(Handler(Arc::clone(&observed)))).await?;
    Ok((connection, observed))
}

/// Knows VP8. Makes its own certificate if none is given.
pub async fn built(
    certificates: Vec<RTCCertificate>,
    ip: IpAddr,
    handler: Arc<dyn PeerConnectionEventHandler>,
) -> Result<Box<dyn PeerConnection>> {
    let mut media_engine = MediaEngine::default();
    let codec = RTCRtpCodecParameters { rtp_codec: vp8(), payload_type: 96 };
    media_engine.register_codec(codec, RtpCodecKind::Video)?;
    let registry = register_default_interceptors(Registry::new(), &mut media_engine)?;
    let connection = PeerConnectionBuilder::new()
        .with_configuration(RTCConfigurationBuilder::new().with_certificates(certificates).build())
        .with_media_engine(media_engine)
        .with_interceptor_registry(registry)
        .with_handler(handler)
        .with_udp_addrs(vec![SocketAddr::new(ip, 0)])
        .build()
        .await?;
    Ok(Box::new(connection))
}

/// Made once with OpenSSL for this test; it protects nothing. No crypto provider here can generate RSA keys.
fn rsa_certificate() -> Result<RTCCertificate> {
    let chain = vec![include_bytes!("rsa_certificate.der").to_vec().into()];
    let key = include_bytes!("rsa_key.der");
    let provider = default_provider()?;
    let expires = SystemTime::now() + Duration::from_secs(3600);
    Ok(RTCCertificate::from_pkcs8(provider.crypto(), SignatureScheme::RsaPkcs1Sha256, chain, key, expires)?)
}

pub fn vp8() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_VP8.to_owned(),
        clock_rate: 90000,
        channels: 0,
        sdp_fmtp_line: String::new(),
        rtcp_feedback: vec![],
    }
}

pub async fn within<F: Future>(what: &str, future: F) -> Result<F::Output> {
    tokio::time::timeout(Duration::from_secs(60), future).await.with_context(|| format!("{what} took more than 60 s"))
}
