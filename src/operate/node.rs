//! Says which node of the cluster a command is about. Never asks that node: the one that answers passes it on.

use super::admin::Admin;
use super::entries::Node;
use crate::failure::Failure;
use crate::nearest::nearest;

/// The node that answers.
pub fn asked(admin: &Admin) -> Result<Node, Failure> {
    let own = nodes(admin)?.into_iter().find(|node| node.pid.is_some());
    own.ok_or_else(|| Failure::Refused(format!("{} does not say which node it is", admin.base())))
}

/// The node of this name; without one the node that answers.
pub fn named(admin: &Admin, name: Option<&str>) -> Result<Node, Failure> {
    let Some(name) = name else { return asked(admin) };
    let nodes = nodes(admin)?;
    let near =
        nearest(name, nodes.iter().map(|node| node.node.as_str())).map(|near| format!("; did you mean `{near}`?"));
    let hint = near.unwrap_or_else(|| ": `chappe ls` lists those that there are".to_owned());
    nodes.into_iter().find(|node| node.node == name).ok_or_else(|| {
        Failure::Refused(format!("there is no node `{name}` in the cluster of {} now{hint}", admin.base()))
    })
}

/// All, the one that answers last: while its signaling is replaced nobody says how the others are.
pub fn all(admin: &Admin) -> Result<Vec<Node>, Failure> {
    let mut nodes = nodes(admin)?;
    nodes.sort_by(|a, b| (a.pid.is_some(), &a.node).cmp(&(b.pid.is_some(), &b.node)));
    Ok(nodes)
}

fn nodes(admin: &Admin) -> Result<Vec<Node>, Failure> {
    admin.get("/api/v1/nodes")
}
