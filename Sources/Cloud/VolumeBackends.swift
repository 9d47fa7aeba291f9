import BlockStorage
import Config
import Kit

/// The backends of Block Storage as `volumes.backends` names them.
enum VolumeBackends {
  /// Throws a 400 fault for a list that cannot be read.
  static func settings(
    _ configuration: Configuration, _ state: StateFolder, host: String
  ) throws -> BlockStorageSettings {
    let backends = try configuration.text("volumes.backends").split(separator: ",").map { entry in
      let parts = entry.split(separator: ":", maxSplits: 2).map(String.init)
      let format = parts.count > 1 ? parts[1] : "qcow2"
      let folder = parts.count > 2 ? parts[2] : "\(state.volumes)/\(parts.first ?? "")"
      guard let name = parts.first, !name.isEmpty, name.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "-" }),
        ["qcow2", "raw"].contains(format), folder.hasPrefix("/")
      else {
        throw Fault.badRequest(
          "volumes.backends has '\(entry)': it must be name, name:qcow2, name:raw or name:format:/folder.")
      }
      return BlockStorageSettings.Backend(name: name, folder: folder, format: format)
    }
    return BlockStorageSettings(
      host: host, zone: configuration.text("hypervisor.zone"), backends: backends, backupFolder: state.backups,
      keyFolder: state.keys + "/volumes", overSubscriptionRatio: configuration.double("volumes.over_subscription_ratio")
    )
  }
}
