import Contracts
import Kit
import Store
import Workflow

/// Files on this node that a guest starts from.
struct GuestFiles: Sendable {
  /// nil: it boots from a volume.
  var image: String?
  var format: String
  var kernel: String?
  var ramdisk: String?

  var json: JSONValue {
    [
      "image": .optional(image), "format": .string(format), "kernel": .optional(kernel), "ramdisk": .optional(ramdisk),
    ]
  }
  init(image: String?, format: String, kernel: String?, ramdisk: String?) {
    (self.image, self.format, self.kernel, self.ramdisk) = (image, format, kernel, ramdisk)
  }
  init(json: JSONValue) {
    self.init(
      image: json["image"]?.string, format: json["format"]?.string ?? "raw", kernel: json["kernel"]?.string,
      ramdisk: json["ramdisk"]?.string)
  }
}

/// Joins what the steps of workflows share: reading servers, and describing guests to the hypervisor.
struct ServerGuest: Sendable {
  let service: ComputeDependencies

  /// The server of a job.
  static func id(_ job: Job) -> String { String(job.subject.dropFirst("server/".count)) }

  /// The job's server with its ports. Throws 404 when it is gone.
  func load(_ context: StepContext) async throws -> (server: Server, ports: [ServerPort]) {
    let id = Self.id(context.job)
    return try await service.database.read { [service] tx in
      guard let server = try ServerStore.find(id, tx: tx), !server.isDeleted else {
        throw Fault.notFound("Instance \(id) could not be found.")
      }
      return (server, server.ordered(try service.ports.ports(ofServers: [id], tx: tx)[id] ?? []))
    }
  }

  /// A change of the job's server that commits with its step.
  func commit(
    _ context: StepContext, output: JSONValue = .null,
    _ body: @escaping @Sendable (inout Server, any Transaction) throws -> Void
  ) -> StepResult {
    let id = Self.id(context.job)
    return StepResult(output) { [service] tx in
      try ServerStore.change(id, now: service.clock.now(), tx: tx) { try body(&$0, tx) }
    }
  }

  /// Makes sure that the image's files are on this node.
  func files(_ server: Server) async throws -> GuestFiles {
    func boot(_ property: String) async throws -> String? {
      guard let id = server.imageProperties[property], let image = UUIDText.canonical(id) else { return nil }
      return try await service.images.file(of: image)
    }
    let (kernel, ramdisk) = (try await boot("kernel_id"), try await boot("ramdisk_id"))
    if server.isVolumeBacked { return GuestFiles(image: nil, format: "raw", kernel: kernel, ramdisk: ramdisk) }
    let format = try await service.database.read { [service] tx in
      try service.images.image(server.imageID, tx: tx)?.diskFormat
    }
    guard let format else { throw Fault.notFound("Image \(server.imageID) could not be found.") }
    return GuestFiles(
      image: try await service.images.file(of: server.imageID), format: format == "qcow2" ? "qcow2" : "raw",
      kernel: kernel, ramdisk: ramdisk)
  }

  /// All that the hypervisor needs; `files` nil for a guest whose disks exist.
  func spec(
    _ server: Server, _ ports: [ServerPort], _ volumes: [GuestVolume], files: GuestFiles?, flavor: ServerFlavor? = nil
  ) -> GuestSpec {
    let flavor = flavor ?? server.flavor
    let root = GuestDisk(
      name: "root", sizeBytes: flavor.diskGB << 30, basePath: files?.image, baseFormat: files?.format)
    let disks = (server.isVolumeBacked ? [] : [root]) + server.localDisks(flavor)
    let drive =
      server.hasConfigDrive
      ? ConfigDrive.files(ServerMetadata(server: server, ports: ports, settings: service.settings)) : nil
    return GuestSpec(
      id: server.id, name: server.instanceName, vcpus: flavor.vcpus, memoryMB: flavor.memoryMB, disks: disks,
      interfaces: ports.map(Self.interface), volumes: volumes, kernelPath: files?.kernel, ramdiskPath: files?.ramdisk,
      kernelArguments: server.imageProperties["os_command_line"], configDrive: drive,
      hardware: server.imageProperties.filter { $0.key.hasPrefix("hw_") || $0.key.hasPrefix("os_") })
  }

  static func interface(_ port: ServerPort) -> GuestInterface {
    GuestInterface(portID: port.id, mac: port.mac, tapName: PortWiring.tapName(port.id), mtu: port.mtu)
  }

  /// After a job failed: the server keeps its state, and its fault says why.
  @Sendable func keepState(_ tx: any Transaction, _ job: Job, _ fault: Fault) throws {
    let now = service.clock.now()
    try ServerStore.change(Self.id(job), now: now, tx: tx) { $0.fault = ServerFault(fault, at: now) }
  }

  /// After a job failed: the server is in ERROR, and its fault says why.
  @Sendable func becomeError(_ tx: any Transaction, _ job: Job, _ fault: Fault) throws {
    let now = service.clock.now()
    try ServerStore.change(Self.id(job), now: now, tx: tx) { server in
      server.state = .error
      server.fault = ServerFault(fault, at: now)
    }
  }
}
