import Contracts
import Kit

/// Writes a read-only file system for config drives: ISO 9660 (ECMA-119) with two trees over the same files, one with
/// Rock Ridge names (RRIP 1.09) for Unix guests and one with Joliet names for Windows.
struct ISO9660 {
  private static let sector = 2048

  private final class Node {
    let name: String
    var children: [Node] = []
    /// nil: a folder.
    let content: [UInt8]?
    /// Name in the plain tree, such as `F3.;1`.
    var plainName = ""
    /// First sector: of a folder by tree, of a file the same in both.
    var extents = [0, 0]
    var sizes = [0, 0]
    /// Number in the path table, from 1.
    var number = 1
    var parentNumber = 1

    init(_ name: String, _ content: [UInt8]?) { (self.name, self.content) = (name, content) }
  }
  private enum Tree: Int, CaseIterable { case rockRidge, joliet }

  /// The image with this volume label (at most 16 characters) and these files; folders are made as paths need them.
  static func image(label: String, files: [ConfigDriveFile]) throws -> [UInt8] {
    let root = Node("", nil)
    for file in files.sorted(by: { $0.path < $1.path }) { try insert(file, into: root) }
    let folders = order(root)
    var next = 16 + 3
    var tables: [(start: Int, bytes: Int)] = []
    for tree in Tree.allCases {
      let bytes = pathTable(folders, tree, isBig: false).count
      tables.append((next, bytes))
      next += 2 * sectors(bytes)
    }
    for tree in Tree.allCases {
      for folder in folders {
        folder.sizes[tree.rawValue] = sectors(records(folder, tree, parent: folder).count) * sector
        folder.extents[tree.rawValue] = next
        next += folder.sizes[tree.rawValue] / sector
      }
    }
    let leaves = folders.flatMap { $0.children.filter { $0.content != nil } }
    for leaf in leaves {
      leaf.extents = [next, next]
      next += sectors(leaf.sizes[0])
    }

    var image = [UInt8](repeating: 0, count: 16 * sector)
    for tree in Tree.allCases { image += descriptor(tree, label, root, tables[tree.rawValue], total: next) }
    image += padded([255] + Array("CD001".utf8) + [1])
    for tree in Tree.allCases {
      image += padded(pathTable(folders, tree, isBig: false)) + padded(pathTable(folders, tree, isBig: true))
    }
    let parents = Dictionary(uniqueKeysWithValues: folders.map { ($0.number, $0) })
    for tree in Tree.allCases {
      for folder in folders {
        image += padded(records(folder, tree, parent: parents[folder.parentNumber] ?? root))
      }
    }
    for leaf in leaves { image += padded(leaf.content ?? []) }
    return image
  }

  // MARK: - The tree

  private static func insert(_ file: ConfigDriveFile, into root: Node) throws {
    let parts = file.path.split(separator: "/").map(String.init)
    var folder = root
    for (index, part) in parts.enumerated() {
      guard part != ".", part != "..", part.utf16.count <= 64, part.utf8.count <= 120 else {
        throw Fault.badRequest("'\(file.path)' cannot be a file of a config drive")
      }
      let isLast = index == parts.count - 1
      if let child = folder.children.first(where: { $0.name == part }) {
        if isLast || child.content != nil { throw Fault.badRequest("'\(file.path)' is twice in the config drive") }
        folder = child
      } else {
        let child = Node(part, isLast ? file.content : nil)
        if isLast { child.sizes = [file.content.count, file.content.count] }
        folder.children.append(child)
        folder = child
      }
    }
    guard !parts.isEmpty else { throw Fault.badRequest("a file of a config drive needs a name") }
  }

  /// Folders in the order of path tables, level by level, with their numbers and plain names.
  private static func order(_ root: Node) -> [Node] {
    var folders = [root]
    var index = 0
    while index < folders.count {
      let folder = folders[index]
      for (position, child) in folder.children.enumerated() {
        // Digits of the same length, so that the order by plain name is the order of the children.
        let digits = String(position + 1000)
        child.plainName = child.content == nil ? "D\(digits)" : "F\(digits).;1"
        guard child.content == nil else { continue }
        folders.append(child)
        (child.number, child.parentNumber) = (folders.count, folder.number)
      }
      index += 1
    }
    return folders
  }

  private static func identifier(_ node: Node, _ tree: Tree) -> [UInt8] {
    switch tree {
    case .rockRidge: Array(node.plainName.utf8)
    case .joliet: (node.name + (node.content == nil ? "" : ";1")).utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
    }
  }

  private static func sorted(_ nodes: [Node], _ tree: Tree) -> [Node] {
    nodes.sorted { identifier($0, tree).lexicographicallyPrecedes(identifier($1, tree)) }
  }

  // MARK: - Bytes

  private static func sectors(_ bytes: Int) -> Int { (bytes + sector - 1) / sector }
  private static func padded(_ bytes: [UInt8]) -> [UInt8] {
    bytes + [UInt8](repeating: 0, count: sectors(bytes.count) * sector - bytes.count)
  }
  private static func little(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
  private static func both(_ value: Int, _ count: Int) -> [UInt8] {
    little(value, count) + little(value, count).reversed()
  }
  private static func text(_ text: String, _ count: Int, _ tree: Tree) -> [UInt8] {
    let bytes: [UInt8] =
      switch tree {
      case .rockRidge: Array(text.utf8)
      case .joliet: text.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
      }
    let space: [UInt8] = tree == .joliet ? [0, 0x20] : [0x20]
    var filled = Array(bytes.prefix(count))
    while filled.count + space.count <= count { filled += space }
    return filled + [UInt8](repeating: 0, count: count - filled.count)
  }

  /// ECMA-119 9.1; the date is the same always, so that the same files give the same image.
  private static func record(
    _ node: Node, _ tree: Tree, identifier: [UInt8], systemUse: [UInt8]
  ) -> [UInt8] {
    var body = both(node.extents[tree.rawValue], 4) + both(node.sizes[tree.rawValue], 4)
    body += [120, 1, 1, 0, 0, 0, 0] + [node.content == nil ? 2 : 0, 0, 0] + both(1, 2)
    body += [UInt8(identifier.count)] + identifier
    if identifier.count.isMultiple(of: 2) { body.append(0) }
    body += systemUse
    if !body.count.isMultiple(of: 2) { body.append(0) }
    return [UInt8(body.count + 2), 0] + body
  }

  /// RRIP 4.1.1: mode, links, owner, group.
  private static func attributes(_ node: Node) -> [UInt8] {
    let mode = node.content == nil ? 0o040555 : 0o100444
    return Array("PX".utf8) + [36, 1] + both(mode, 4) + both(1, 4) + both(0, 4) + both(0, 4)
  }

  /// The directory records of a folder; none crosses a sector.
  private static func records(_ folder: Node, _ tree: Tree, parent: Node) -> [UInt8] {
    var own: [UInt8] = []
    if tree == .rockRidge {
      own = attributes(folder)
      if folder.number == 1 {
        own = Array("SP".utf8) + [7, 1, 0xBE, 0xEF, 0] + own
        own += Array("ER".utf8) + [18, 1, 10, 0, 0, 1] + Array("RRIP_1991A".utf8)
      }
    }
    var all = [
      record(folder, tree, identifier: [0], systemUse: own),
      record(parent, tree, identifier: [1], systemUse: tree == .rockRidge ? attributes(parent) : []),
    ]
    for child in sorted(folder.children, tree) {
      var use: [UInt8] = []
      if tree == .rockRidge {
        use = attributes(child) + Array("NM".utf8) + [UInt8(5 + child.name.utf8.count), 1, 0] + Array(child.name.utf8)
      }
      all.append(record(child, tree, identifier: identifier(child, tree), systemUse: use))
    }
    var bytes: [UInt8] = []
    for one in all {
      let left = sector - bytes.count % sector
      if one.count > left { bytes += [UInt8](repeating: 0, count: left) }
      bytes += one
    }
    return bytes
  }

  /// ECMA-119 9.4.
  private static func pathTable(_ folders: [Node], _ tree: Tree, isBig: Bool) -> [UInt8] {
    folders.flatMap { folder -> [UInt8] in
      let name = folder.number == 1 ? [0] : identifier(folder, tree)
      let extent = little(folder.extents[tree.rawValue], 4)
      let parent = little(folder.parentNumber, 2)
      var entry = [UInt8(name.count), 0] + (isBig ? extent.reversed() : extent) + (isBig ? parent.reversed() : parent)
      entry += name
      if !name.count.isMultiple(of: 2) { entry.append(0) }
      return entry
    }
  }

  /// A volume descriptor, ECMA-119 8.4 and 8.5.
  private static func descriptor(
    _ tree: Tree, _ label: String, _ root: Node, _ table: (start: Int, bytes: Int), total: Int
  ) -> [UInt8] {
    var bytes: [UInt8] = [tree == .joliet ? 2 : 1] + Array("CD001".utf8) + [1, 0]
    bytes += text("", 32, tree) + text(label, 32, tree) + [UInt8](repeating: 0, count: 8) + both(total, 4)
    // Escape sequence of Joliet level 3.
    bytes += (tree == .joliet ? Array("%/E".utf8) : [0, 0, 0]) + [UInt8](repeating: 0, count: 29)
    bytes += both(1, 2) + both(1, 2) + both(sector, 2) + both(table.bytes, 4)
    let big = table.start + sectors(table.bytes)
    bytes += little(table.start, 4) + little(0, 4) + little(big, 4).reversed() + little(0, 4)
    bytes += record(root, tree, identifier: [0], systemUse: [])
    bytes += text("", 128, tree) + text("", 128, tree) + text("", 128, tree) + text("MARTLET", 128, tree)
    bytes += text("", 37, tree) + text("", 37, tree) + text("", 37, tree)
    let date = Array("2020010100000000".utf8) + [0]
    let never = Array("0000000000000000".utf8) + [0]
    bytes += date + date + never + never + [1, 0]
    return padded(bytes)
  }
}
