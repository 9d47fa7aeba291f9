import Kit
import Workflow

/// The settled states of a server (`OS-EXT-STS:vm_state`).
enum VMState: String, Sendable, CaseIterable {
  case building, active, stopped, paused, suspended, rescued, resized, error, deleted
  case softDeleted = "soft-delete"
  case shelved
  case shelvedOffloaded = "shelved_offloaded"

  /// `status` when nothing is under way.
  var status: String {
    switch self {
    case .building: "BUILD"
    case .active: "ACTIVE"
    case .stopped: "SHUTOFF"
    case .paused: "PAUSED"
    case .suspended: "SUSPENDED"
    case .rescued: "RESCUE"
    case .resized: "VERIFY_RESIZE"
    case .error: "ERROR"
    case .deleted: "DELETED"
    case .softDeleted: "SOFT_DELETED"
    case .shelved: "SHELVED"
    case .shelvedOffloaded: "SHELVED_OFFLOADED"
    }
  }
}

/// The jobs that change a server. Its transient states are derived from the live one: none can stick.
enum ServerJob: String, Sendable, CaseIterable {
  case build = "server-build"
  case delete = "server-delete"
  case start = "server-start"
  case stop = "server-stop"
  case rebootSoft = "server-reboot-soft"
  case rebootHard = "server-reboot-hard"
  case pause = "server-pause"
  case unpause = "server-unpause"
  case suspend = "server-suspend"
  case resume = "server-resume"
  case rebuild = "server-rebuild"
  case resize = "server-resize"
  case confirmResize = "server-confirm-resize"
  case revertResize = "server-revert-resize"
  case attachInterface = "server-attach-interface"
  case detachInterface = "server-detach-interface"
  case createImage = "server-create-image"
  case attachVolume = "server-attach-volume"
  case detachVolume = "server-detach-volume"
  case swapVolume = "server-swap-volume"
  case extendVolume = "server-extend-volume"
  /// Changes of rows alone, kept in the timeline.
  case lock = "server-lock"
  case unlock = "server-unlock"

  init?(_ job: Job?) {
    guard let job, let kind = ServerJob(rawValue: job.kind) else { return nil }
    self = kind
  }

  /// `OS-EXT-STS:task_state` while this job is at `step`.
  func task(step: Int) -> String? {
    switch self {
    case .build: ["scheduling", "block_device_mapping", "networking", "spawning"][min(max(step, 0), 3)]
    case .delete: "deleting"
    case .start: "powering-on"
    case .stop: "powering-off"
    case .rebootSoft: step == 0 ? "rebooting" : "reboot_started"
    case .rebootHard: step == 0 ? "rebooting_hard" : "reboot_started_hard"
    case .pause: "pausing"
    case .unpause: "unpausing"
    case .suspend: "suspending"
    case .resume: "resuming"
    case .rebuild:
      [
        "rebuilding", "rebuild_block_device_mapping", "rebuild_block_device_mapping", "rebuild_spawning",
      ][min(max(step, 0), 3)]
    case .resize: ["resize_prep", "resize_migrating", "resize_finish"][min(max(step, 0), 2)]
    case .revertResize: "resize_reverting"
    case .createImage: step == 0 ? "image_snapshot" : "image_uploading"
    case .confirmResize, .attachInterface, .detachInterface, .lock, .unlock: nil
    case .attachVolume, .detachVolume, .swapVolume, .extendVolume: nil
    }
  }

  /// The status that this job gives a server in `state`; nil: that of the state.
  func status(in state: VMState) -> String? {
    switch (self, state) {
    case (.rebootSoft, .active): "REBOOT"
    case (.rebootHard, .active): "HARD_REBOOT"
    case (.rebuild, .active), (.rebuild, .stopped), (.rebuild, .error): "REBUILD"
    case (.resize, .active), (.resize, .stopped): "RESIZE"
    case (.revertResize, .resized): "REVERT_RESIZE"
    default: nil
    }
  }

  /// The name of its instance action.
  var action: String {
    switch self {
    case .build: "create"
    case .delete: "delete"
    case .start: "start"
    case .stop: "stop"
    case .rebootSoft, .rebootHard: "reboot"
    case .pause: "pause"
    case .unpause: "unpause"
    case .suspend: "suspend"
    case .resume: "resume"
    case .rebuild: "rebuild"
    case .resize: "resize"
    case .confirmResize: "confirmResize"
    case .revertResize: "revertResize"
    case .attachInterface: "attach_interface"
    case .detachInterface: "detach_interface"
    case .createImage: "createImage"
    case .attachVolume: "attach_volume"
    case .detachVolume: "detach_volume"
    case .swapVolume: "swap_volume"
    case .extendVolume: "extend_volume"
    case .lock: "lock"
    case .unlock: "unlock"
    }
  }

  /// The name of an event of its instance action. The step that does what upstream's method does has that method's name:
  /// clients wait for it.
  func event(_ step: String) -> String {
    switch (self, step) {
    case (.build, "schedule"): "conductor_schedule_and_build_instances"
    case (.build, "spawn"): "compute__do_build_and_run_instance"
    case (.delete, "destroy"): "compute_terminate_instance"
    case (.start, "perform"), (.stop, "perform"), (.rebootSoft, "perform"), (.rebootHard, "perform"),
      (.pause, "perform"), (.unpause, "perform"), (.suspend, "perform"), (.resume, "perform"), (.rebuild, "spawn"):
      "compute_\(action)_instance"
    case (.resize, "finish"): "compute_finish_resize"
    case (.confirmResize, "confirm"): "compute_confirm_resize"
    case (.revertResize, "finish"): "compute_finish_revert_resize"
    case (.createImage, "upload"): "compute_snapshot_instance"
    case (.attachInterface, "plug"), (.detachInterface, "release"), (.attachVolume, "plug"),
      (.detachVolume, "release"), (.swapVolume, "mirror"), (.extendVolume, "resize"):
      "compute_\(action)"
    default: "compute_\(action.lowercased())_\(step.replacing(" ", with: "_"))"
    }
  }
}

/// What a server is doing: its settled state with its live job.
struct ServerActivity: Sendable {
  var kind: ServerJob?
  var step: Int

  init(_ job: Job?) {
    kind = ServerJob(job)
    step = job?.step ?? 0
  }
  static let idle = ServerActivity(nil)

  var task: String? { kind?.task(step: step) }
  func status(in state: VMState) -> String { kind?.status(in: state) ?? state.status }
}
