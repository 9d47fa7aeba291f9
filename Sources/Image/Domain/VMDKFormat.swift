import Kit

/// VMware's format (Virtual Disk Format 5.0): only images in one file, because every other kind names files of the host.
enum VMDKFormat {
  private static let sector = 512
  /// Descriptors are 20 sectors long; more than this is no descriptor.
  private static let descriptorBytesMax = 64 << 10
  private static let createTypes: Set<String> = ["monolithicSparse", "streamOptimized"]

  static func inspect(_ head: ByteReader, _ source: some ByteSource) throws -> Inspection? {
    if head.starts(with: "KDMV") { return try sparse(head, source) }
    if head.starts(with: "COWD") {
      return Inspection(format: .vmdk, virtualSize: 0, violations: ["it is an extent of a disk in several files"])
    }
    // The descriptor of a disk in several files may begin with comments and white space.
    let text = String(decoding: head.bytes.prefix(512), as: UTF8.self).drop { $0.isWhitespace }
    guard text.lowercased().hasPrefix("# disk descriptorfile") else { return nil }
    return Inspection(
      format: .vmdk, virtualSize: 0, violations: ["it is a descriptor that names other files of the host"])
  }

  private static func sparse(_ head: ByteReader, _ source: some ByteSource) throws -> Inspection {
    let capacity = FormatInspector.clamp(head.little64(12)).multiplied(by: sector)
    var result = Inspection(format: .vmdk, virtualSize: capacity)
    let version = head.little32(4)
    if !(1...3).contains(version) { result.violations.append("version \(version) is not supported") }
    let offset = FormatInspector.clamp(head.little64(28)).multiplied(by: sector)
    let length = FormatInspector.clamp(head.little64(36)).multiplied(by: sector)
    guard offset > 0, length > 0, length <= descriptorBytesMax, offset < source.size else {
      result.violations.append("it has no descriptor of its own")
      return result
    }
    let descriptor = String(decoding: try source.read(at: offset, count: length), as: UTF8.self)
    result.violations += problems(descriptor)
    return result
  }

  /// What in the descriptor speaks against the image.
  static func problems(_ descriptor: String) -> [String] {
    var problems: [String] = []
    var createType: String?
    var extents: [Substring] = []
    let lines = descriptor.split { $0 == "\n" || $0 == "\r" || $0 == "\0" || $0 == "\r\n" }
    for line in lines {
      let line = line.drop { $0 == " " || $0 == "\t" }
      guard line.first != "#" else { continue }
      let key = line.prefix { $0 != "=" }.filter { $0 != " " && $0 != "\t" }.lowercased()
      let value = line.drop { $0 != "=" }.dropFirst().filter { $0 != "\"" && $0 != " " && $0 != "\t" }
      switch key {
      case "createtype": createType = createType.map { $0 + "," + value } ?? value
      case "parentcid" where value.lowercased() != "ffffffff": problems.append("it has a parent image")
      case "parentfilenamehint": problems.append("it names a parent image")
      default:
        let word = line.prefix { $0 != " " && $0 != "\t" }.uppercased()
        if ["RW", "RDONLY", "NOACCESS"].contains(word) { extents.append(line) }
      }
    }
    guard let createType, createTypes.contains(createType) else {
      problems.append("createType \(createType?.prefix(40) ?? "is missing"): only monolithicSparse and streamOptimized")
      return problems
    }
    guard extents.count == 1, let extent = extents.first else {
      problems.append("it has \(extents.count) extents instead of one")
      return problems
    }
    let words = extent.split { $0 == " " || $0 == "\t" }
    if words.count < 4 || words[2].uppercased() != "SPARSE" { problems.append("its extent is not SPARSE") }
    if extent.contains("/") || extent.contains("\\") { problems.append("its extent names a path") }
    return problems
  }
}
