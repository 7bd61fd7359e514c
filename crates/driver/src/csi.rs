//! The CSI services. They decode, hand over to the node, and turn outcomes into statuses.

mod controller;
mod identity;
mod service;

use std::sync::Arc;

use keymount_proto::csi::controller_server::ControllerServer;
use keymount_proto::csi::identity_server::IdentityServer;
use keymount_proto::csi::node_server::NodeServer;
use tonic::service::Routes;

use crate::node::Node;
use controller::Controller;
use identity::Identity;
use service::NodeService;

/// All CSI services of a driver.
#[must_use]
pub(crate) fn routes(node: Arc<Node>, driver_name: &str, node_id: &str) -> Routes {
    let identity = Identity { driver_name: driver_name.to_owned() };
    let service = NodeService { metrics: Arc::clone(&node.metrics), node, node_id: node_id.to_owned() };
    Routes::new(IdentityServer::new(identity))
        .add_service(ControllerServer::new(Controller))
        .add_service(NodeServer::new(service))
}
