import Contracts
import Host
import Kit
import TestKit
import Testing

@testable import ComputeNode

@Suite struct ISO9660Tests {
  private let files = [
    ConfigDriveFile(path: "openstack/latest/meta_data.json", content: Array(#"{"uuid": "x"}"#.utf8)),
    ConfigDriveFile(path: "openstack/latest/user_data", content: [UInt8](repeating: 0x61, count: 70_000)),
    ConfigDriveFile(path: "openstack/2018-08-27/network_data.json", content: Array("{}".utf8)),
    ConfigDriveFile(path: "ec2/latest/meta-data.json", content: []),
  ]

  /// Reads an image by the standard, without the writer's tables: path and content of every file of one tree.
  private struct Reader {
    let image: [UInt8]
    let isJoliet: Bool

    func number(_ at: Int) -> Int { (0..<4).reduce(0) { $0 | Int(image[at + $1]) << (8 * $1) } }

    func files() -> [ConfigDriveFile] {
      let descriptor = (isJoliet ? 17 : 16) * 2048
      return folder(descriptor + 156, "").sorted { $0.path < $1.path }
    }

    private func folder(_ record: Int, _ path: String) -> [ConfigDriveFile] {
      var (at, files) = (number(record + 2) * 2048, [ConfigDriveFile]())
      let end = at + number(record + 10)
      while at < end {
        let length = Int(image[at])
        if length == 0 {
          at = (at / 2048 + 1) * 2048
          continue
        }
        let identifier = Array(image[(at + 33)..<(at + 33 + Int(image[at + 32]))])
        if identifier != [0], identifier != [1] {
          let full = path + name(at, identifier)
          if image[at + 25] & 2 != 0 {
            files += folder(at, full + "/")
          } else {
            let start = number(at + 2) * 2048
            files.append(ConfigDriveFile(path: full, content: Array(image[start..<(start + number(at + 10))])))
          }
        }
        at += length
      }
      return files
    }

    private func name(_ record: Int, _ identifier: [UInt8]) -> String {
      if isJoliet {
        let units = stride(from: 0, to: identifier.count, by: 2).map {
          UInt16(identifier[$0]) << 8 | UInt16(identifier[$0 + 1])
        }
        let text = String(decoding: units, as: UTF16.self)
        return text.hasSuffix(";1") ? String(text.dropLast(2)) : text
      }
      var use = record + 33 + identifier.count + (identifier.count % 2 == 0 ? 1 : 0)
      while use < record + Int(image[record]) {
        if Array(image[use..<(use + 2)]) == Array("NM".utf8) {
          return String(decoding: image[(use + 5)..<(use + Int(image[use + 2]))], as: UTF8.self)
        }
        use += Int(image[use + 2])
      }
      return ""
    }
  }

  @Test(arguments: [false, true])
  func bothTreesHoldTheFiles(isJoliet: Bool) throws {
    let many = (0..<200).map {
      ConfigDriveFile(path: "folder/file-with-a-long-name-\($0)", content: Array("\($0)".utf8))
    }
    for files in [files, many] {
      let image = try ISO9660.image(label: "config-2", files: files)
      #expect(Reader(image: image, isJoliet: isJoliet).files() == files.sorted { $0.path < $1.path })
    }
  }

  @Test func labelIsFoundByGuests() async throws {
    let folder = try TestKit.folder()
    try HostFiles.writeAtomically("\(folder)/i", try ISO9660.image(label: "config-2", files: files), mode: 0o600)
    let facts = try await Command("blkid", ["-p", "-o", "export", "\(folder)/i"]).check()
    #expect(facts.contains("LABEL=config-2\n") && facts.contains("TYPE=iso9660"), "\(facts)")
    try HostFiles.remove(folder)
  }

  @Test func sameFilesGiveTheSameImage() throws {
    let image = try ISO9660.image(label: "config-2", files: files)
    #expect(try ISO9660.image(label: "config-2", files: files.reversed()) == image)
    #expect(image.count % 2048 == 0)
  }

  @Test(arguments: ["", "/", "a/../b", "./a", String(repeating: "n", count: 65)])
  func badPaths(path: String) {
    #expect(throws: Fault.self) {
      try ISO9660.image(label: "config-2", files: [ConfigDriveFile(path: path, content: [])])
    }
  }

  @Test func sameNameTwice() {
    for second in ["a", "a/b"] {
      #expect(throws: Fault.self) {
        try ISO9660.image(label: "l", files: ["a", second].map { ConfigDriveFile(path: $0, content: []) })
      }
    }
  }
}
