import Kit

/// What one server used in a period (API reference, Usage reports): resources times hours between launch and end.
struct ServerUsage: Sendable, Equatable {
  var serverID: String
  var name: String
  var projectID: String
  var flavorName: String
  var vcpus: Int
  var memoryMB: Int
  var diskGB: Int
  var state: String
  var startedAt: Timestamp
  var endedAt: Timestamp?

  /// Hours of the period in which the server existed.
  func hours(from start: Timestamp, to stop: Timestamp) -> Double {
    let (first, last) = (max(startedAt, start), min(endedAt ?? stop, stop))
    return first < last ? Double((last - first).microseconds) / 3_600_000_000 : 0
  }
}

/// The sums of a project's servers over a period.
struct ProjectUsage: Sendable {
  let projectID: String
  let start: Timestamp
  let stop: Timestamp
  private(set) var servers: [ServerUsage] = []
  private(set) var hours = 0.0
  private(set) var vcpuHours = 0.0
  private(set) var memoryMBHours = 0.0
  private(set) var diskGBHours = 0.0

  init(projectID: String, start: Timestamp, stop: Timestamp) {
    (self.projectID, self.start, self.stop) = (projectID, start, stop)
  }

  mutating func add(_ server: ServerUsage) {
    let time = server.hours(from: start, to: stop)
    servers.append(server)
    hours += time
    vcpuHours += time * Double(server.vcpus)
    memoryMBHours += time * Double(server.memoryMB)
    diskGBHours += time * Double(server.diskGB)
  }

  /// Sums per project, in the order of the servers.
  static func sum(_ servers: [ServerUsage], start: Timestamp, stop: Timestamp) -> [ProjectUsage] {
    var result: [ProjectUsage] = []
    var index: [String: Int] = [:]
    for server in servers {
      if index[server.projectID] == nil {
        index[server.projectID] = result.count
        result.append(ProjectUsage(projectID: server.projectID, start: start, stop: stop))
      }
      if let at = index[server.projectID] { result[at].add(server) }
    }
    return result
  }
}
