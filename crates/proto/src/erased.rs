//! The messages that carry secrets or tokens are overwritten with zeros when they are dropped.
//!
//! A consequence: fields cannot be moved out of them (take them with `std::mem::take`), and they
//! cannot be built with `..Default::default()`.

use zeroize::Zeroize as _;

use crate::csi::{NodeExpandVolumeRequest, NodePublishVolumeRequest, NodeStageVolumeRequest};
use crate::provider::{File, MountRequest};

impl Drop for File {
    fn drop(&mut self) {
        self.contents.zeroize();
    }
}

impl Drop for MountRequest {
    fn drop(&mut self) {
        self.attributes.zeroize();
        self.secrets.zeroize();
    }
}

impl Drop for NodePublishVolumeRequest {
    fn drop(&mut self) {
        self.secrets.values_mut().for_each(|value| value.zeroize());
        self.volume_context.values_mut().for_each(|value| value.zeroize());
    }
}

impl Drop for NodeStageVolumeRequest {
    fn drop(&mut self) {
        self.secrets.values_mut().for_each(|value| value.zeroize());
        self.volume_context.values_mut().for_each(|value| value.zeroize());
    }
}

impl Drop for NodeExpandVolumeRequest {
    fn drop(&mut self) {
        self.secrets.values_mut().for_each(|value| value.zeroize());
    }
}
