/// Korean texts of answers, questions before an action, help below fields, and empty lists.
enum KoreanMessages {
  static let texts: [String: String] = answers.merging(questions) { first, _ in first }.merging(help) { first, _ in
    first
  }
  .merging(empty) { first, _ in first }.merging(faults) { first, _ in first }
  .merging(launch) { first, _ in first }

  private static let answers: [String: String] = [
    "Allocated.": "할당했습니다.", "Created. Join your subnets to it now.": "만들었습니다. 이제 서브넷을 연결하세요.",
    "Deactivated.": "비활성화했습니다.", "Reactivated.": "다시 활성화했습니다.", "Enabled.": "사용하도록 했습니다.",
    "Imported.": "가져왔습니다.", "Unlocked.": "잠금을 풀었습니다.",
    "It is being extended.": "확장하고 있습니다.", "It is being moved.": "옮기고 있습니다.", "It is being rebuilt.": "재빌드하고 있습니다.",
    "It is being moved. Confirm or revert it when it is done.": "옮기고 있습니다. 끝나면 확인하거나 되돌리세요.",
    "It is being resized. Confirm or revert it when it is done.": "크기를 바꾸고 있습니다. 끝나면 확인하거나 되돌리세요.",
    "It is getting its new type.": "새 유형으로 바꾸고 있습니다.", "Locked: nobody changes it by mistake.": "잠갔습니다. 실수로 바꿀 수 없습니다.",
    "No new instance is placed there.": "새 인스턴스를 그곳에 두지 않습니다.", "No new volume is placed there.": "새 볼륨을 그곳에 두지 않습니다.",
    "The backup is being made.": "백업을 만들고 있습니다.", "The floating IP is free again.": "유동 IP 연결을 풀었습니다.",
    "The floating IP leads to it now.": "유동 IP를 연결했습니다.", "The group is being made.": "그룹을 만들고 있습니다.",
    "The image is being made.": "이미지를 만들고 있습니다.", "The image is there.": "이미지를 올렸습니다.",
    "The interface is attached.": "인터페이스를 연결했습니다.", "The interface is being detached.": "인터페이스를 분리하고 있습니다.",
    "The project can accept it now.": "이제 그 프로젝트가 수락할 수 있습니다.", "The rule holds from now on.": "지금부터 규칙이 적용됩니다.",
    "The snapshot is being made.": "스냅샷을 만들고 있습니다.", "The subnet is joined.": "서브넷을 연결했습니다.",
    "The volume is being attached.": "볼륨을 연결하고 있습니다.", "The volume is being created.": "볼륨을 만들고 있습니다.",
    "The volume is being detached.": "볼륨을 분리하고 있습니다.", "The volume is being restored.": "볼륨을 복원하고 있습니다.",
    "The volume is yours now.": "이제 볼륨이 이 프로젝트의 것입니다.",
    "Your new private key": "새 개인 키", "Your new application credential": "새 애플리케이션 자격 증명", "Volume transfer": "볼륨 전송",
    "Keep it now: the cloud does not keep it, and it cannot be shown again.":
      "지금 저장하세요. 클라우드는 보관하지 않으며 다시 보여 줄 수 없습니다.",
    "Keep its secret now: it cannot be shown again.": "비밀 값을 지금 저장하세요. 다시 보여 줄 수 없습니다.",
    "Give both to somebody of the other project: the key is shown this one time.":
      "두 값을 상대 프로젝트에 전달하세요. 키는 이번 한 번만 보입니다.",
  ]

  private static let questions: [String: String] = [
    "Everything on its disk is replaced by the image.": "디스크의 모든 내용이 이미지로 바뀝니다.",
    "It is deleted whatever state it is in.": "상태와 관계없이 삭제합니다.",
    "Its disk is kept as an image and its place on the host is given up.": "디스크를 이미지로 보관하고 호스트의 자리를 비웁니다.",
    "Its networks lose the way to the outside.": "연결된 네트워크가 외부로 나갈 수 없게 됩니다.",
    "Nobody can download it or launch from it then.": "아무도 내려받거나 이 이미지로 시작할 수 없게 됩니다.",
    "Only when its host is down for good.": "호스트가 완전히 멈춘 경우에만 사용하세요.",
    "The guest is switched off and on at once.": "게스트의 전원을 바로 껐다 켭니다.",
    "The project cannot use the image any more.": "그 프로젝트는 더 이상 이미지를 쓸 수 없습니다.",
    "The role is taken away at once.": "역할을 바로 거둡니다.",
    "Traffic that only this rule allows is stopped.": "이 규칙만 허용하던 트래픽이 차단됩니다.",
    "Unmount it in the guest first.": "먼저 게스트에서 마운트를 해제하세요.",
  ]

  private static let help: [String: String] = [
    "A namespace with its properties, as the Image API shows one.": "이미지 API가 보여 주는 형식의 속성을 담은 네임스페이스입니다.",
    "A plus sign takes a new address from that network.": "더하기 표시는 그 네트워크에서 새 주소를 받습니다.",
    "A script or cloud-config that runs at the first boot.": "첫 부팅 때 실행되는 스크립트 또는 cloud-config입니다.",
    "Empty: a new volume. What is on a volume is replaced.": "비우면 새 볼륨을 만듭니다. 기존 볼륨의 내용은 바뀝니다.",
    "Empty: the first address. none: no gateway.": "비우면 첫 주소, none이면 게이트웨이가 없습니다.",
    "Empty: the next free one.": "비우면 다음 빈 주소를 씁니다.", "Empty: the scheduler chooses.": "비우면 스케줄러가 고릅니다.",
    "For an own rule: tcp, udp, icmp or a number.": "직접 정할 때: tcp, udp, icmp 또는 번호.",
    "One CIDR on each line.": "한 줄에 CIDR 하나씩 적으세요.", "One address or CIDR on each line.": "한 줄에 주소 또는 CIDR 하나씩 적으세요.",
    "One on each line.": "한 줄에 하나씩 적으세요.", "Only what has changed since the backup before.": "이전 백업 이후 바뀐 부분만 저장합니다.",
    "Separated by commas.": "쉼표로 구분합니다.",
    "Such as 0.0.0.0/0 or ::/0. Empty with a group.": "예: 0.0.0.0/0 또는 ::/0. 그룹을 고르면 비우세요.",
    "Such as 10.0.0.0/24.": "예: 10.0.0.0/24.",
    "Such as 2030-01-31T00:00:00Z. Empty: never.": "예: 2030-01-31T00:00:00Z. 비우면 만료되지 않습니다.",
    "The one line of your .pub file.": ".pub 파일의 한 줄입니다.",
    "The private key is shown once, right after this.": "개인 키는 다음 화면에서 한 번만 보입니다.",
    "The way to the outside.": "외부로 나가는 길입니다.", "member is the usual one.": "보통 member를 씁니다.",
    "What it boots from meanwhile, with its own disk as the second. Empty: the image that it was made from.":
      "그동안 부팅할 이미지이며 원래 디스크는 두 번째로 연결됩니다. 비우면 처음 만든 이미지를 씁니다.",
  ]

  private static let empty: [String: String] = [
    "No QoS specs yet. They limit how much a volume of a type reads and writes.":
      "아직 QoS 사양이 없습니다. 볼륨 유형의 읽기와 쓰기를 제한합니다.",
    "No RBAC policies yet. One lets a project use a network of another.": "아직 RBAC 정책이 없습니다. 다른 프로젝트의 네트워크를 쓰게 합니다.",
    "No address groups yet. Rules of security groups can refer to one.": "아직 주소 그룹이 없습니다. 보안 그룹 규칙에서 쓸 수 있습니다.",
    "No address scopes yet. Addresses in one are routed without translation.":
      "아직 주소 범위가 없습니다. 같은 범위의 주소는 변환 없이 라우팅됩니다.",
    "No agent has reported yet.": "아직 보고한 에이전트가 없습니다.",
    "No application credentials yet. A program signs in with one instead of your password.":
      "아직 애플리케이션 자격 증명이 없습니다. 프로그램이 비밀번호 대신 사용합니다.",
    "No backups yet. Make one from a volume: it is kept apart from the volume itself.": "아직 백업이 없습니다. 볼륨과 따로 보관됩니다.",
    "No domains yet.": "아직 도메인이 없습니다.",
    "No flavors yet. A flavor says how large an instance is.": "아직 플레이버가 없습니다. 인스턴스의 크기를 정합니다.",
    "No group types yet. A volume group is of one of them.": "아직 그룹 유형이 없습니다. 볼륨 그룹은 그중 하나에 속합니다.",
    "No groups yet. A group gives roles to many users at a time.": "아직 그룹이 없습니다. 여러 사용자에게 역할을 한 번에 줍니다.",
    "No host aggregates yet. One gives hosts an availability zone, or properties that flavors ask for.":
      "아직 호스트 집합이 없습니다. 호스트에 가용 영역이나 플레이버가 요구하는 속성을 줍니다.",
    "No hypervisor has reported yet.": "아직 보고한 하이퍼바이저가 없습니다.", "No instance is in it.": "인스턴스가 없습니다.",
    "No instance is on it.": "이곳에 인스턴스가 없습니다.", "It has no interface.": "인터페이스가 없습니다.",
    "It has no properties.": "속성이 없습니다.",
    "No metadata definitions yet. Import one to describe properties of images and flavors.":
      "아직 메타데이터 정의가 없습니다. 이미지와 플레이버의 속성을 설명하는 정의를 가져오세요.",
    "No network is joined to it yet.": "아직 연결된 네트워크가 없습니다.",
    "No other project may use it yet.": "아직 다른 프로젝트와 공유하지 않았습니다.",
    "No port yet.": "아직 포트가 없습니다.", "No projects yet.": "아직 프로젝트가 없습니다.",
    "No projects yet. A project owns instances, networks and volumes, and has quotas.":
      "아직 프로젝트가 없습니다. 프로젝트는 인스턴스, 네트워크, 볼륨을 소유하고 할당량을 가집니다.",
    "No roles yet.": "아직 역할이 없습니다.", "No rule: nothing goes in or out.": "규칙이 없어 아무것도 드나들 수 없습니다.",
    "No security groups yet.": "아직 보안 그룹이 없습니다.",
    "No server groups yet. A group keeps its instances on one host, or apart.":
      "아직 서버 그룹이 없습니다. 인스턴스를 한 호스트에 모으거나 나눕니다.",
    "No service has reported yet.": "아직 보고한 서비스가 없습니다.",
    "No snapshots of groups yet. Make one from a volume group.": "아직 그룹 스냅샷이 없습니다. 볼륨 그룹에서 만드세요.",
    "No snapshots yet. Make one from a volume.": "아직 스냅샷이 없습니다. 볼륨에서 만드세요.",
    "No subnet pools yet. Subnets can take their addresses from one.": "아직 서브넷 풀이 없습니다. 서브넷이 주소를 받을 수 있습니다.",
    "No subnet yet: without one there are no addresses.": "아직 서브넷이 없습니다. 서브넷이 있어야 주소를 받습니다.",
    "No users yet.": "아직 사용자가 없습니다.",
    "No volume groups yet. Snapshots of a group hold all its volumes at one moment.":
      "아직 볼륨 그룹이 없습니다. 그룹 스냅샷은 모든 볼륨의 같은 순간을 담습니다.",
    "No volume is attached.": "연결된 볼륨이 없습니다.", "No volume is in it.": "볼륨이 없습니다.",
    "No volume is on its way to another project. Offer one from its row, or accept one with its key.":
      "전송 중인 볼륨이 없습니다. 볼륨 목록에서 보내거나 키로 받으세요.",
    "No volume types yet.": "아직 볼륨 유형이 없습니다.", "Nobody has a role on it.": "아무도 역할이 없습니다.",
    "Nobody is in it.": "아무도 없습니다.",
    "None yet.": "아직 없습니다.", "Nothing has been done with it yet.": "아직 작업 기록이 없습니다.",
    "Nothing is known of it.": "알려진 정보가 없습니다.",
  ]

  private static let launch: [String: String] = [
    "Give the instance a name.": "인스턴스 이름을 적으세요.", "The name is longer than 255 characters.": "이름이 255자를 넘습니다.",
    "How many must be from 1 to 1000.": "개수는 1에서 1000까지입니다.",
    "The quota does not fit: instances left:": "할당량이 부족합니다. 남은 인스턴스:",
    "The quota does not fit: volumes left:": "할당량이 부족합니다. 남은 볼륨:",
    "The quota does not fit: GiB of volumes left:": "할당량이 부족합니다. 남은 볼륨 용량(GiB):",
    "The quota does not fit: VCPUs left:": "할당량이 부족합니다. 남은 VCPU:",
    "The quota does not fit: MiB of memory left:": "할당량이 부족합니다. 남은 메모리(MiB):",
    "The image is not active.": "이미지가 활성 상태가 아닙니다.", "The volume is in use.": "볼륨이 사용 중입니다.",
    "A volume boots one instance only.": "볼륨 하나로는 인스턴스 하나만 부팅합니다.",
    "The snapshot is not available.": "스냅샷을 사용할 수 없습니다.",
    "The volume is too small: GiB that it needs:": "볼륨이 너무 작습니다. 필요한 크기(GiB):",
    "Say how large the new volume is.": "새 볼륨의 크기를 적으세요.",
    "The flavor has too little memory: MiB that the image needs:": "플레이버의 메모리가 부족합니다. 이미지가 요구하는 크기(MiB):",
    "The flavor's disk is too small: GiB that the image needs:": "플레이버의 디스크가 작습니다. 이미지가 요구하는 크기(GiB):",
    "No network is chosen: Compute takes the project's only one, or says why it cannot.":
      "네트워크를 고르지 않았습니다. 프로젝트에 하나뿐이면 그것을 씁니다.",
    "This network is not there any more:": "이 네트워크는 더 이상 없습니다:",
    "This network has no subnet, so there is no address on it:": "이 네트워크에는 서브넷이 없어 주소를 받지 못합니다:",
    "A port is of one instance only.": "포트는 인스턴스 하나에만 쓸 수 있습니다.",
    "This port is not free any more:": "이 포트는 더 이상 비어 있지 않습니다:",
    "No security group is chosen: the group default is taken.": "보안 그룹을 고르지 않았습니다. default 그룹을 씁니다.",
    "This security group is not there any more:": "이 보안 그룹은 더 이상 없습니다:",
    "No key pair is chosen: SSH opens for nobody, unless the image has a password.":
      "키 페어를 고르지 않았습니다. 이미지에 비밀번호가 없으면 SSH로 접속할 수 없습니다.",
    "This is not a public key: it begins with ssh- or ecdsa- and is one line.":
      "공개 키가 아닙니다. ssh- 또는 ecdsa-로 시작하는 한 줄이어야 합니다.",
    "A key pair of this name exists already.": "같은 이름의 키 페어가 이미 있습니다.",
    "The user data is too long: 49151 bytes are the most.": "사용자 데이터가 너무 깁니다. 최대 49151바이트입니다.",
    "Keys and values of metadata have up to 255 characters.": "메타데이터의 키와 값은 255자까지입니다.",
    "For a new volume, of an image or of a snapshot.": "이미지나 스냅샷으로 새 볼륨을 만들 때 적으세요.",
    "Delete the volume with the instance": "인스턴스와 함께 볼륨 삭제", "Volume snapshot": "볼륨 스냅샷",
    "Settings": "설정", "As the browser": "브라우저 설정", "Time zone": "시간대", "Rows on a page": "페이지당 행 수",
  ]

  private static let faults: [String: String] = [
    "Choose a file to upload.": "올릴 파일을 고르세요.", "Choose a service.": "서비스를 고르세요.",
    "Give the imported key pair a name.": "가져올 키 페어의 이름을 적으세요.",
    "Only an administrator reads the logs.": "로그는 관리자만 볼 수 있습니다.",
    "Something went wrong on our side. The log of the service says what.": "내부 오류가 발생했습니다. 서비스 로그를 확인하세요.",
    "The address is malformed.": "주소 형식이 잘못되었습니다.", "The form came from another site.": "다른 사이트에서 보낸 양식입니다.",
    "The console was opened by a page of another site.": "다른 사이트의 페이지가 콘솔을 열었습니다.",
    "The form ends too early.": "양식이 중간에 끊겼습니다.", "The form has no boundary.": "양식에 경계가 없습니다.",
    "The form has too many fields.": "양식의 필드가 너무 많습니다.", "The form holds a NUL character.": "양식에 NUL 문자가 있습니다.",
    "The form is malformed.": "양식이 잘못되었습니다.", "The form's boundary is malformed.": "양식의 경계가 잘못되었습니다.",
    "The form is out of date or was not made by this page. Go back, reload and try again.":
      "양식이 오래되었거나 이 페이지의 것이 아닙니다. 돌아가 새로 고친 뒤 다시 시도하세요.",
    "There is no such action.": "그런 작업이 없습니다.", "There is no such page.": "그런 페이지가 없습니다.",
    "There is no such service or level.": "그런 서비스나 수준이 없습니다.", "This is not a JSON object.": "JSON 객체가 아닙니다.",
    "You have no role on any project yet. Ask an administrator for one.": "아직 어떤 프로젝트에도 역할이 없습니다. 관리자에게 요청하세요.",
  ]
}
