import Foundation
import Kit
import Yams

/// The settings of a node: the defaults, over them `martlet.yaml`, over it the command line.
public struct Configuration: Sendable {
  private var values: [String: String] = [:]
  private var sources: [String: String] = [:]

  /// The defaults alone.
  public init() {
    for key in ConfigurationKey.all {
      values[key.path] = key.initial
      sources[key.path] = "default"
    }
  }

  /// Reads `path` over the defaults; a file that is not there is fine. Throws a fault that names an unknown key or bad value.
  public init(file path: String) throws {
    self.init()
    guard FileManager.default.fileExists(atPath: path) else { return }
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let root: Any?
    do { root = try Yams.load(yaml: text) } catch { throw Fault.badRequest("\(path) is not YAML: \(error)") }
    guard let sections = root as? [String: Any] else {
      if root == nil { return }
      throw Fault.badRequest("\(path) must hold sections such as 'api:' with keys below them.")
    }
    for (section, keys) in sections {
      guard let keys = keys as? [String: Any] else {
        throw Fault.badRequest("\(path): '\(section)' must hold keys below it.")
      }
      for (key, value) in keys { try set("\(section).\(key)", "\(value)", source: path) }
    }
  }

  /// Sets one key. Throws a fault for a key that does not exist or a value that does not fit.
  public mutating func set(_ path: String, _ value: String, source: String) throws {
    guard let key = ConfigurationKey.all.first(where: { $0.path == path }) else {
      throw Fault.badRequest("There is no setting '\(path)' (\(source)); `martlet config show --explain` lists them.")
    }
    let fits: Bool
    switch key.kind {
    case .text: fits = true
    case .integer(let range): fits = Int(value).map(range.contains) ?? false
    case .decimal(let range): fits = Double(value).map(range.contains) ?? false
    case .boolean: fits = value == "true" || value == "false"
    case .choice(let values): fits = values.contains(value)
    }
    guard fits else { throw Fault.badRequest("\(path) is '\(value)' (\(source)): it must be \(key.kind.name).") }
    values[path] = value
    sources[path] = source
  }

  /// The value of a declared key.
  public func text(_ path: String) -> String { values[path] ?? "" }
  public func int(_ path: String) -> Int { Int(text(path)) ?? 0 }
  public func double(_ path: String) -> Double { Double(text(path)) ?? 0 }
  public func bool(_ path: String) -> Bool { text(path) == "true" }

  /// All settings as YAML; with `explain`, each with its meaning, type, default and source.
  public func show(explain: Bool) -> String {
    var lines: [String] = []
    var section = ""
    for key in ConfigurationKey.all {
      let parts = key.path.split(separator: ".", maxSplits: 1).map(String.init)
      if parts[0] != section {
        section = parts[0]
        if !lines.isEmpty { lines.append("") }
        lines.append("\(section):")
      }
      if explain {
        lines.append("  # \(key.doc)")
        lines.append("  # \(key.kind.name); default '\(key.initial)'; from: \(sources[key.path] ?? "default")")
      }
      lines.append("  \(parts[1]): \(Self.quoted(text(key.path)))")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// The settings that differ from their defaults, as a file that `init(file:)` reads.
  public var overrides: String {
    var sections: [String: [String]] = [:]
    for key in ConfigurationKey.all where text(key.path) != key.initial {
      let parts = key.path.split(separator: ".", maxSplits: 1).map(String.init)
      sections[parts[0], default: []].append("  \(parts[1]): \(Self.quoted(text(key.path)))\n")
    }
    return sections.sorted { $0.key < $1.key }.map { "\($0.key):\n" + $0.value.joined() }.joined()
  }

  private static func quoted(_ text: String) -> String {
    let isPlain = !text.isEmpty && text.allSatisfy { $0.isLetter || $0.isNumber || "._-/".contains($0) }
    return isPlain ? text : "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }
}
