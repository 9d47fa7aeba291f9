import API
import Contracts
import Kit
import Store

/// The image of a server that boots from a volume: a block device mapping that names snapshots of all its volumes, so that
/// a server that is made from it gets copies of them (API reference, Create Image).
struct SnapshotMapping {
  let server: Server
  let service: ComputeDependencies
  let call: Call

  /// Takes the snapshots and describes them in the image's properties; returns their ids. Throws 403 when the quota does
  /// not allow them, 400 when a volume is in no state for it.
  func make(imageName: String, _ properties: inout [String: String], tx: any Transaction) throws -> [String] {
    let auth = try call.auth
    var snapshots: [String] = []
    var mapping: [JSONValue] = []
    for device in server.blockDevices where device.replaces == nil {
      var item = base(device)
      if device.isVolume {
        guard let volume = device.volumeID else { continue }
        let id = try Self.translated {
          try service.storage().createSnapshot(
            of: volume, name: "snapshot for \(imageName)", auth: auth, requestID: call.requestID, tx: tx)
        }
        snapshots.append(id)
        item.append("source_type", "snapshot")
        item.append("destination_type", "volume")
        item.append("snapshot_id", .string(id))
      } else {
        item.append("source_type", "blank")
        item.append("destination_type", "local")
        item.append("guest_format", .optional(device.format))
      }
      mapping.append(.object(item))
    }
    properties["root_device_name"] = server.rootDevice
    properties["block_device_mapping"] = JSONValue.array(mapping).text
    properties["bdm_v2"] = "True"
    return snapshots
  }

  private func base(_ device: BlockDevice) -> JSONObject {
    [
      "device_name": .optional(device.device), "boot_index": device.bootIndex.map { .int($0) } ?? .null,
      "delete_on_termination": .bool(device.deletesOnTermination), "volume_size": device.size.map { .int($0) } ?? .null,
      "disk_bus": .optional(device.bus), "device_type": .optional(device.type), "tag": .null, "volume_type": .null,
      "volume_id": .null, "image_id": .null, "no_device": .null,
    ]
  }

  /// Block Storage's fault of a quota as Compute's.
  private static func translated<Value>(_ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch let fault as Fault where fault.status == 413 {
      throw Fault.forbidden("Quota exceeded for snapshots: \(fault.message)")
    }
  }
}
