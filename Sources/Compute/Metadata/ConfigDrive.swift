import Contracts
import Kit

/// The files of a config drive (Nova user guide, Config drives): every dated version of the OpenStack tree, and the last of
/// the EC2 tree.
enum ConfigDrive {
  static func files(_ metadata: ServerMetadata) -> [ConfigDriveFile] {
    var files: [ConfigDriveFile] = []
    for version in ["2009-04-04", "latest"] {
      files.append(
        ConfigDriveFile(
          path: "ec2/\(version)/meta-data.json", content: metadata.ec2(version: "2009-04-04").json.bytes))
      if let data = metadata.userData { files.append(ConfigDriveFile(path: "ec2/\(version)/user-data", content: data)) }
    }
    for version in ServerMetadata.openStackVersions + ["latest"] {
      let content = version == "latest" ? ServerMetadata.openStackVersions.last ?? version : version
      for name in metadata.files(version: content) {
        guard let file = metadata.file(name, version: content) else { continue }
        files.append(ConfigDriveFile(path: "openstack/\(version)/\(name)", content: file.bytes))
      }
    }
    for (index, file) in metadata.server.files.enumerated() {
      files.append(
        ConfigDriveFile(path: "openstack/content/\(ServerMetadata.number(index))", content: file.content))
    }
    return files
  }
}
