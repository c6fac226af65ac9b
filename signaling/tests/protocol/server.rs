//! The server under test, in a runtime of its own so that it can die as a process does.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chappe_signaling::{AccessConfig, AdminAuth, Auth, Caps, Config, KeySources, Stopped, TurnServers};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::http::{PATIENCE, Response, request};
use crate::offer;
use crate::worker::Worker;

pub struct Server {
    pub public: SocketAddr,
    pub admin: SocketAddr,
    pub workers: Vec<Worker>,
    /// Held as the supervisor holds them: they outlive the process.
    listeners: (TcpListener, TcpListener),
    process: Option<Process>,
    directory: PathBuf,
    cluster: Option<String>,
    /// What is told to the process otherwise than the tests usually do.
    settings: fn(&mut Config),
}

struct Process {
    runtime: Runtime,
    end: JoinHandle<Stopped>,
}

impl Server {
    /// With one worker, and ready.
    pub async fn start() -> Server {
        Server::with_workers(1, 1000).await
    }

    pub async fn with_workers(workers: u16, sessions_max: u32) -> Server {
        Server::with(workers, sessions_max, |_| {}).await
    }

    /// For everybody who reaches it.
    pub async fn public() -> Server {
        Server::configured(|config| config.auth = Auth::Public).await
    }

    /// With one worker, and some settings of its own.
    pub async fn configured(settings: fn(&mut Config)) -> Server {
        Server::with(1, 1000, settings).await
    }

    async fn with(workers: u16, sessions_max: u32, settings: fn(&mut Config)) -> Server {
        let directory = temporary_directory();
        let workers = (0..workers).map(|index| Worker::start(&directory, index, sessions_max)).collect();
        let mut server = Server::stopped(directory, workers);
        server.settings = settings;
        server.launch();
        server.until_ready().await;
        server
    }

    /// One of a cluster with this address, not waited for.
    pub async fn in_cluster(address: &str) -> Server {
        let directory = temporary_directory();
        let workers = vec![Worker::start(&directory, 0, 1000)];
        let mut server = Server::stopped(directory, workers);
        server.cluster = Some(address.to_owned());
        server.launch();
        server
    }

    fn stopped(directory: PathBuf, workers: Vec<Worker>) -> Server {
        let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
        let listeners = (bind(), bind());
        let (public, admin) = (listeners.0.local_addr().unwrap(), listeners.1.local_addr().unwrap());
        Server { public, admin, workers, listeners, process: None, directory, cluster: None, settings: |_| {} }
    }

    /// Starts a signaling process.
    pub fn launch(&mut self) {
        let mut config = Config {
            http: Some(self.listeners.0.try_clone().unwrap()),
            admin: self.listeners.1.try_clone().unwrap(),
            workers: self.workers.iter().map(|worker| worker.path.clone()).collect(),
            supervisor: None,
            parent: None,
            node: "n1".into(),
            auth: Auth::Open,
            admin_auth: AdminAuth::Open,
            tls: None,
            acme: None,
            turn: TurnServers::default(),
            turn_sockets: None,
            keys: KeySources::default(),
            access: AccessConfig::default(),
            caps: Caps::default(),
            public_ips: vec!["192.0.2.1".parse().unwrap()],
            region: None,
            cluster: self.cluster.clone(),
            webhooks: None,
            traces: None,
            rooms_named: 2,
            secret: vec![7; 32],
        };
        (self.settings)(&mut config);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let serving = chappe_signaling::run_until(config, Box::pin(std::future::pending()));
        let end = runtime.spawn(async move { serving.await.unwrap() });
        self.process = Some(Process { runtime, end });
    }

    /// As by kill -9.
    pub fn kill(&mut self) {
        self.process.take().unwrap().runtime.shutdown_background();
    }

    /// Waits until the process ends by itself.
    pub async fn ended(&mut self) -> Stopped {
        let process = self.process.as_mut().unwrap();
        tokio::time::timeout(PATIENCE, &mut process.end).await.expect("it ends").unwrap()
    }

    pub async fn until_ready(&self) {
        self.until("ready", "/readyz", |response| response.status == 200).await;
    }

    /// Asks again until the answer is as wanted. Each request yields to the server, so nothing spins.
    pub async fn until(&self, what: &str, path: &str, wanted: impl Fn(&Response) -> bool) -> Response {
        let asking = async {
            loop {
                let response = request(self.public, "GET", path, &[], "").await;
                if wanted(&response) {
                    return response;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never {what}"))
    }

    pub fn worker(&self) -> &Worker {
        &self.workers[0]
    }

    pub async fn post(&self, path: &str, sdp: &str) -> Response {
        request(self.public, "POST", path, &[("content-type", "application/sdp")], sdp.to_owned()).await
    }

    /// Publishes over WHIP; the id of the session.
    pub async fn publish(&self, path: &str) -> String {
        let response = self.post(&format!("/whip/{path}"), &offer::publisher("vp8")).await;
        session_of(&response)
    }

    /// Publishes over WHIP, and its media path is up; the id of the session.
    pub async fn go_live(&self, path: &str) -> String {
        let session = self.publish(path).await;
        self.worker().connect(session.parse().unwrap());
        self.until_connected(&session).await;
        session
    }

    /// Signaling has heard from the worker that the session is.
    pub async fn until_connected(&self, session: &str) {
        let asking = async {
            while self.admin(&format!("/api/v1/sessions/{session}")).await.json()["state"] != "connected" {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never connected"));
    }

    /// Signaling has heard from the worker that the session is over.
    pub async fn until_gone(&self, session: &str) {
        let asking = async {
            while self.admin(&format!("/api/v1/sessions/{session}")).await.status == 200 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never gone"));
    }

    /// Watches over WHEP; the id of the session.
    pub async fn watch(&self, path: &str) -> String {
        let response = self.post(&format!("/whep/{path}"), &offer::viewer("vp8")).await;
        session_of(&response)
    }

    pub async fn get(&self, path: &str) -> Response {
        request(self.public, "GET", path, &[], "").await
    }

    pub async fn admin(&self, path: &str) -> Response {
        request(self.admin, "GET", path, &[], "").await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.runtime.shutdown_background();
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

pub fn session_of(response: &Response) -> String {
    assert_eq!(response.status, 201, "{}", response.text());
    let location = response.header("location");
    location.strip_prefix("/session/").unwrap_or_else(|| panic!("location {location}")).to_owned()
}

fn temporary_directory() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("chappe-signaling-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}
