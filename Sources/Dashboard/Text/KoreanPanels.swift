/// Korean texts of the panels of block storage, sharing and administration, and of fields' labels.
enum KoreanPanels {
  static let texts: [String: String] = titles.merging(labels) { first, _ in first }

  private static let titles: [String: String] = [
    "Volume backups": "볼륨 백업", "Volume transfers": "볼륨 전송", "Volume groups": "볼륨 그룹", "Group snapshots": "그룹 스냅샷",
    "All volumes": "모든 볼륨", "All volume snapshots": "모든 볼륨 스냅샷", "All volume backups": "모든 볼륨 백업",
    "Group types": "그룹 유형",
    "QoS specs": "QoS 사양", "Volume services": "볼륨 서비스", "Address groups": "주소 그룹", "Subnet pools": "서브넷 풀",
    "Address scopes": "주소 범위", "RBAC policies": "RBAC 정책", "Host aggregates": "호스트 집합",
    "Metadata definitions": "메타데이터 정의",
    "Accept or reject": "수락 또는 거절", "Accept transfer": "전송 수락", "Add addresses": "주소 추가", "Add host": "호스트 추가",
    "Allow project": "프로젝트 허용", "Disallow project": "프로젝트 허용 해제", "Change password": "비밀번호 변경", "Change type": "유형 변경",
    "Change volumes": "볼륨 변경", "Create QoS specs": "QoS 사양 생성", "Create RBAC policy": "RBAC 정책 생성",
    "Create address group": "주소 그룹 생성", "Create address scope": "주소 범위 생성", "Create backup": "백업 생성",
    "Create group type": "그룹 유형 생성", "Create host aggregate": "호스트 집합 생성", "Create subnet pool": "서브넷 풀 생성",
    "Create volume group": "볼륨 그룹 생성", "End rescue": "복구 종료", "Evacuate": "대피", "Force delete": "강제 삭제",
    "Free its host": "호스트에서 내리기", "Import namespace": "네임스페이스 가져오기", "Live migrate": "실시간 이동", "Migrate": "이동",
    "Offer to another project": "다른 프로젝트로 보내기", "Remove addresses": "주소 제거", "Remove host": "호스트 제거", "Rescue": "복구 모드",
    "Restore": "복원", "Set QoS": "QoS 설정", "Set bootable": "부팅 가능 설정", "Set encryption": "암호화 설정",
    "Share with project": "프로젝트와 공유", "Shelve": "보관", "Unshelve": "보관 해제", "Upload as image": "이미지로 올리기",
  ]

  private static let labels: [String: String] = [
    "Accept": "수락", "Reject": "거절", "Decide later": "나중에 결정", "Answer": "응답", "Allows": "허용 내용",
    "Authorization key": "인증 키",
    "Boot from a new volume": "새 볼륨으로 부팅", "Cipher": "암호 방식", "Consumer": "적용 위치",
    "Default prefix length": "기본 프리픽스 길이",
    "Delete its volumes too": "볼륨도 함께 삭제", "Disk in GiB": "디스크(GiB)", "Encryption": "암호화",
    "Ephemeral in GiB": "임시 디스크(GiB)",
    "Extra specs": "추가 사양", "File": "파일", "First port": "첫 포트", "Last port": "마지막 포트", "First project": "첫 프로젝트",
    "Fixed address": "고정 주소", "Floating IP": "유동 IP", "For project": "대상 프로젝트", "From image": "이미지에서",
    "From snapshot": "스냅샷에서", "Give out addresses by DHCP": "DHCP로 주소 할당", "Group": "그룹", "Group type": "그룹 유형",
    "Hosts": "호스트", "Incremental": "증분", "Interface": "인터페이스", "Key": "키", "Key size in bits": "키 길이(비트)", "Kind": "종류",
    "Least disk in GiB": "최소 디스크(GiB)", "Least memory in MiB": "최소 메모리(MiB)", "Memory in MiB": "메모리(MiB)",
    "Moving it": "이동 방식", "Name of the new volume": "새 볼륨 이름", "Namespace": "네임스페이스", "New flavor": "새 플레이버",
    "New password": "새 비밀번호", "New size in GiB": "새 크기(GiB)", "Onto volume": "복원할 볼륨", "Peer address": "상대 주소",
    "Peer group": "상대 그룹", "Prefixes": "프리픽스", "Project's id": "프로젝트 ID", "Projects that may use it": "사용할 수 있는 프로젝트",
    "Properties": "속성", "Protected from deletion": "삭제 방지", "Protocol": "프로토콜", "Provider": "제공자",
    "Resource types": "자원 유형", "Role on it": "프로젝트 역할", "Size in GiB": "크기(GiB)",
    "Size of the volume in GiB": "볼륨 크기(GiB)", "Specs": "사양", "Subnet": "서브넷", "Subnet name": "서브넷 이름",
    "Swap in MiB": "스왑(MiB)",
    "Transfer's id": "전송 ID", "Use it as a shared network": "공유 네트워크로 사용",
    "Use it as an external network": "외부 네트워크로 사용",
    "Where it is encrypted": "암호화 위치", "everybody": "모두",
    // Members of the API as they are shown on a resource's page.
    "Status": "상태", "Created at": "생성 시각", "Updated at": "갱신 시각", "Project id": "프로젝트 ID", "Tenant id": "프로젝트 ID",
    "User id": "사용자 ID", "Owner": "소유자", "Volume type": "볼륨 유형", "Volume id": "볼륨 ID", "Availability zone": "가용 영역",
    "Is public": "공개", "Encrypted": "암호화", "Multiattach": "다중 연결", "Metadata": "메타데이터", "Checksum": "체크섬",
    "Disk format": "디스크 형식", "Container format": "컨테이너 형식", "Min disk": "최소 디스크", "Min ram": "최소 메모리",
    "Protected": "삭제 방지", "Admin state up": "켜짐", "Mtu": "MTU", "Revision number": "개정 번호", "Domain id": "도메인 ID",
    "Default project id": "기본 프로젝트 ID", "Parent id": "상위 ID", "Options": "옵션", "Router:external": "외부",
  ]
}
