import Kit

/// When an action is allowed: the states and tasks in which a server may be, and whether a lock forbids it.
struct ServerRule: Sendable {
  enum Tasks: Sendable {
    case none
    case any
    /// None, or one of these.
    case only(Set<String>)
  }

  /// The action's name in messages.
  let action: String
  /// nil: any state.
  var states: Set<VMState>?
  var tasks = Tasks.none
  var needsLaunch = true
  var respectsLock = true

  init(
    _ action: String, _ states: Set<VMState>?, tasks: Tasks = .none, needsLaunch: Bool = true, respectsLock: Bool = true
  ) {
    (self.action, self.states, self.tasks) = (action, states, tasks)
    (self.needsLaunch, self.respectsLock) = (needsLaunch, respectsLock)
  }

  /// Throws a 409 fault when `server` may not do it now.
  func check(_ server: Server, _ activity: ServerActivity, isAdmin: Bool) throws {
    if respectsLock { try Self.checkLock(server, isAdmin: isAdmin) }
    if let states, !states.contains(server.state) {
      throw conflict(server, "vm_state", server.state.rawValue)
    }
    if let task = activity.task {
      switch tasks {
      case .any: break
      case .none: throw conflict(server, "task_state", task)
      case .only(let allowed): if !allowed.contains(task) { throw conflict(server, "task_state", task) }
      }
    }
    if needsLaunch, server.launchedAt == nil { throw conflict(server, "launched_at", "None") }
  }

  private func conflict(_ server: Server, _ attribute: String, _ state: String) -> Fault {
    .conflict("Cannot '\(action)' instance \(server.id) while it is in \(attribute) \(state)")
  }

  /// A locked server obeys administrators only.
  static func checkLock(_ server: Server, isAdmin: Bool) throws {
    if server.lockedBy != nil, !isAdmin { throw Fault.conflict("Instance \(server.id) is locked") }
  }

  static let stop = ServerRule("stop", [.active, .error])
  static let start = ServerRule("start", [.stopped])
  static let rebootSoft = ServerRule("reboot", [.active])
  static let rebootHard = ServerRule(
    "reboot", [.active, .stopped, .paused, .suspended, .error],
    tasks: .only([
      "rebooting", "reboot_pending", "reboot_started", "resuming", "rebooting_hard", "unpausing", "pausing",
      "suspending",
    ]))
  static let pause = ServerRule("pause", [.active])
  static let unpause = ServerRule("unpause", [.paused])
  static let suspend = ServerRule("suspend", [.active])
  static let resume = ServerRule("resume", [.suspended])
  static let rebuild = ServerRule("rebuild", [.active, .stopped, .error])
  static let resize = ServerRule("resize", [.active, .stopped])
  static let migrate = ServerRule("migrate", [.active, .stopped])
  static let migrateLive = ServerRule("os-migrateLive", [.active, .paused])
  static let confirmResize = ServerRule("confirmResize", [.resized])
  static let revertResize = ServerRule("revertResize", [.resized])
  static let createImage = ServerRule(
    "createImage", [.active, .stopped, .paused, .suspended], respectsLock: false)
  static let changePassword = ServerRule("changePassword", [.active])
  static let attachInterface = ServerRule("attach_interface", [.active, .paused, .stopped])
  static let detachInterface = ServerRule("detach_interface", [.active, .paused, .stopped])
  static let attachVolume = ServerRule("attach_volume", volumeStates)
  static let detachVolume = ServerRule("detach_volume", volumeStates)
  private static let volumeStates: Set<VMState> = [
    .active, .paused, .stopped, .resized, .softDeleted, .shelved, .shelvedOffloaded,
  ]
  static let swapVolume = ServerRule("swap_volume", [.active, .paused, .resized])
  static let updateMetadata = ServerRule(
    "update metadata", [.active, .paused, .suspended, .stopped], tasks: .any, needsLaunch: false)
  static let deleteMetadata = ServerRule(
    "delete metadata", [.active, .paused, .suspended, .stopped], tasks: .any, needsLaunch: false)
  static func tags(_ action: String) -> ServerRule {
    ServerRule(
      action, [.active, .paused, .suspended, .stopped], tasks: .any, needsLaunch: false, respectsLock: false)
  }
  static let delete = ServerRule("delete", nil, tasks: .any, needsLaunch: false)
  static let restore = ServerRule("restore", [.softDeleted], needsLaunch: false)
  static let rescue = ServerRule("rescue", [.active, .stopped, .error])
  static let unrescue = ServerRule("unrescue", [.rescued])
  static let shelve = ServerRule("shelve", [.active, .stopped, .paused, .suspended])
  static let shelveOffload = ServerRule("shelveOffload", [.shelved])
  static let unshelve = ServerRule("unshelve", [.shelved, .shelvedOffloaded])
  static let crashDump = ServerRule("trigger_crash_dump", [.active, .paused, .rescued, .resized, .error])
}
