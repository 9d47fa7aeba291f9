/// Korean texts by their English ones.
enum Korean {
  static let texts: [String: String] = [panels, KoreanForms.texts, KoreanPanels.texts, KoreanMessages.texts]
    .reduce(pages) { all, more in all.merging(more) { first, _ in first } }

  /// The frame, and pages that are no panels.
  private static let pages: [String: String] = [
    "Sign in": "로그인", "Sign in to Martlet": "Martlet 로그인", "User": "사용자", "Password": "비밀번호", "Domain": "도메인",
    "Project": "프로젝트", "the first of yours": "내 첫 번째 프로젝트", "Sign out": "로그아웃", "Menu": "메뉴",
    "Skip to the content": "본문으로 건너뛰기", "Name, id or address": "이름, ID 또는 주소", "Search everywhere": "전체 검색",
    "Language": "언어", "Look": "화면", "Apply": "적용", "As the system": "시스템 설정", "Light": "밝게", "Dark": "어둡게",
    "Back to the overview": "개요로 돌아가기", "Administration": "관리", "Identity": "인증", "Overview": "개요",
    "Network topology": "네트워크 토폴로지", "API access": "API 접근", "Logs": "로그", "Search": "검색",
    "any": "전체", "Filter": "필터", "Clear": "지우기", "With the chosen rows:": "선택한 항목:",
    "Nothing fits these filters.": "필터에 맞는 항목이 없습니다.", "Choose all": "모두 선택", "Actions": "작업",
    "First page": "첫 페이지", "Next page": "다음 페이지", "Chosen rows": "선택한 항목", "Progress": "진행률", "Cancel": "취소",
    "There is none.": "없습니다.", "Download": "내려받기", "Done": "완료", "Launch instance": "인스턴스 시작",
    "From nothing to an instance": "첫 인스턴스까지", "Usage of the last 30 days, by project": "최근 30일 프로젝트별 사용량",
    "VCPU hours": "VCPU 시간", "GB hours of memory": "메모리 GB 시간", "GB hours of disk": "디스크 GB 시간",
    "Services": "서비스", "Service": "서비스", "Type": "유형", "Download openrc": "openrc 내려받기",
    "Download clouds.yaml": "clouds.yaml 내려받기", "How to use them": "사용 방법",
    "Both files ask for your password; neither holds it.": "두 파일 모두 비밀번호를 담지 않으며 실행할 때 묻습니다.",
    "Endpoints": "엔드포인트", "Nothing has this name, id or address.": "이 이름, ID, 주소를 가진 항목이 없습니다.",
    "Type a name, the beginning of an id, or an address.": "이름, ID의 앞부분 또는 주소를 입력하세요.",
    "At least": "최소 수준", "Contains": "포함", "Time": "시각", "Level": "수준", "Message": "메시지",
    "How much each service writes": "서비스별 로그 수준", "Zoom in": "확대", "Zoom out": "축소", "Fit": "맞춤",
    "Export as SVG": "SVG로 내보내기",
    "There are no networks yet. Create one, and a router that joins it to the outside.":
      "아직 네트워크가 없습니다. 네트워크와 외부로 연결할 라우터를 만드세요.",
    "Create network": "네트워크 생성", "Details": "세부 정보", "Source": "소스",
    "What the instance boots from.": "인스턴스가 부팅할 원본입니다.", "There is no image yet.": "아직 이미지가 없습니다.",
    "Upload image": "이미지 업로드", "Flavor": "플레이버", "How large it is.": "인스턴스의 크기입니다.", "Name": "이름",
    "Memory": "메모리", "Disk": "디스크", "Networks": "네트워크",
    "Choose one or more networks, or ports that exist.": "네트워크를 하나 이상 선택하거나 기존 포트를 선택하세요.",
    "Security groups": "보안 그룹", "Which traffic reaches it.": "허용할 트래픽입니다.", "Key pair": "키 페어",
    "The key that opens SSH.": "SSH 접속에 쓰는 키입니다.", "Create a key pair in a new tab": "새 탭에서 키 페어 만들기",
    "Configuration": "구성", "Placement and metadata": "배치와 메타데이터", "Back": "이전", "Next": "다음", "Launch": "시작",
    "Compute": "컴퓨트", "Network": "네트워크", "no limit": "제한 없음", "The whole cloud": "클라우드 전체",
    "In a window of its own": "새 창에서 열기", "Console": "콘솔",
    "The console is there while the instance runs. Start it first.": "콘솔은 인스턴스가 실행 중일 때 열립니다. 먼저 시작하세요.",
    "You may not do this": "권한이 없습니다", "This is not here": "찾을 수 없습니다", "This did not work": "처리하지 못했습니다",
    "The cloud could not answer": "클라우드가 응답하지 못했습니다",
  ]

  /// Panels and their columns.
  private static let panels: [String: String] = [
    "Instances": "인스턴스", "All instances": "모든 인스턴스", "Images": "이미지", "Key pairs": "키 페어",
    "Server groups": "서버 그룹", "Volumes": "볼륨", "Volume snapshots": "볼륨 스냅샷", "Volume types": "볼륨 유형",
    "Routers": "라우터", "Floating IPs": "유동 IP", "Hypervisors": "하이퍼바이저", "Flavors": "플레이버", "Quotas": "할당량",
    "Compute services": "컴퓨트 서비스", "Network agents": "네트워크 에이전트", "Projects": "프로젝트", "Users": "사용자",
    "Groups": "그룹", "Roles": "역할", "Domains": "도메인", "Application credentials": "애플리케이션 자격 증명",
    "State": "상태", "Image": "이미지", "Addresses": "주소", "Created": "생성 시각", "Host": "호스트", "Address": "주소",
    "Visibility": "공개 범위", "Format": "형식", "Size": "크기", "Owned by this project": "이 프로젝트 소유",
    "Fingerprint": "지문", "Policy": "정책", "Members": "구성원", "Subnets": "서브넷", "External": "외부", "Shared": "공유",
    "Switched on": "켜짐", "External network": "외부 네트워크", "External addresses": "외부 주소", "Leads to": "연결 대상",
    "Description": "설명", "Rules": "규칙", "Enabled": "사용", "Public": "공개", "Ephemeral": "임시 디스크", "Zone": "영역",
    "Reason": "사유", "Updated": "갱신 시각", "Email": "이메일", "Id": "ID", "Expires": "만료", "Yes": "예", "No": "아니요",
    "Attached to": "연결됨", "Bootable": "부팅 가능", "Volume": "볼륨", "Snapshot": "스냅샷", "Ports": "포트", "Port": "포트",
    "Interfaces": "인터페이스", "MAC address": "MAC 주소", "Console log": "콘솔 로그", "What happened": "작업 기록",
    "Why it failed": "실패 원인", "Metadata and tags": "메타데이터와 태그", "Action": "작업", "Result": "결과",
    "Started": "시작", "Finished": "종료", "Request": "요청", "Launched": "시작 시각", "Locked": "잠김", "Host name": "호스트 이름",
    "Tags": "태그", "When": "시각", "Code": "코드", "Gateway": "게이트웨이", "Name servers": "네임 서버", "Used by": "사용처",
    "Network address": "네트워크 주소", "Direction": "방향", "Peer": "상대", "IP version": "IP 버전", "In": "수신", "Out": "송신",
    "Everything": "전체", "anywhere": "모든 곳", "Capacity": "용량", "Resource": "자원", "Used": "사용", "Total": "전체",
    "Reserved": "예약", "Overcommit": "초과 할당", "Limit": "한도", "User or group": "사용자 또는 그룹", "Role": "역할",
    "Instance": "인스턴스", "VCPUs": "VCPU", "Memory (MiB)": "메모리 (MiB)", "Storage (GiB)": "저장소 (GiB)",
    "Snapshots": "스냅샷", "Nothing has been written yet.": "아직 기록이 없습니다.",
  ]
}
