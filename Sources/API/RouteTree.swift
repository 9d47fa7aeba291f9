/// Finds the routes of a path: a tree over segments, literal ones before `{names}`.
struct RouteTree: Sendable {
  private final class Node: @unchecked Sendable {
    // Filled in RouteTree.init only, then never changed: safe to share.
    var literals: [String: Node] = [:]
    var variable: Node?
    var routes: [Route] = []
  }
  private let root = Node()

  init(_ routes: [Route]) {
    for route in routes {
      var node = root
      for segment in route.segments {
        if segment.hasPrefix("{") {
          let next = node.variable ?? Node()
          node.variable = next
          node = next
        } else {
          let next = node.literals[segment] ?? Node()
          node.literals[segment] = next
          node = next
        }
      }
      node.routes.append(route)
    }
  }

  /// Every route whose pattern fits the path, whatever its method; literal segments win over variables.
  func routes(_ path: [String]) -> [Route] { Self.find(path[...], root) ?? [] }

  private static func find(_ path: ArraySlice<String>, _ node: Node) -> [Route]? {
    guard let first = path.first else { return node.routes.isEmpty ? nil : node.routes }
    if let next = node.literals[first], let found = find(path.dropFirst(), next) { return found }
    if !first.isEmpty, let next = node.variable { return find(path.dropFirst(), next) }
    return nil
  }
}
