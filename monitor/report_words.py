"""The words of the report, in Vietnamese, by their English; a test asks for every one that the report uses."""

import re

from monitor.sentences import sentence
from monitor.words import Language, word

_VIETNAMESE = {
    # verdict
    "Met": "Đạt",
    "Not met": "Không đạt",
    "Invalid": "Không hợp lệ",
    "all objectives met, every delivery accounted for": "mọi mục tiêu đều đạt, mọi lượt giao đều được đối soát",
    "every delivery accounted for, exactly once": "mọi lượt giao đều được đối soát, đúng một lần",
    "what was asked for was not reached": "chưa đạt yêu cầu đề ra",
    "the figures of this run must not be believed": "không được tin các số liệu của lần chạy này",
    "Run report": "Báo cáo lần chạy",
    "replay": "phát lại",
    "What stands in the topic, held against the recording and its schedule.": "Những gì có trong topic, đối chiếu với "
    "bản ghi và lịch của nó.",
    "Why": "Vì sao",
    # onboarding
    "ready": "Sẵn sàng",
    "ready with conditions": "Sẵn sàng có điều kiện",
    "not ready": "Chưa sẵn sàng",
    "they may be connected: every objective is met with them, and nobody waits much longer": "có thể kết nối: mọi mục "
    "tiêu đều đạt khi có thêm họ, và không ai phải chờ lâu hơn nhiều",
    "every objective is met with them; what is told below should be settled first": "mọi mục tiêu đều đạt khi có thêm "
    "họ; nên giải quyết trước những điều nêu dưới đây",
    "they should not be connected yet": "chưa nên kết nối",
    "these runs do not carry a judgement": "các lần chạy này chưa đủ để kết luận",
    "Onboarding": "Kết nối cơ quan mới",
    "{pairs} pairs of runs of the same load, without and with the newcomers, in turn.": "{pairs} cặp lần chạy cùng một "
    "tải, lần lượt không có và có cơ quan mới.",
    "What follows this section is the last run with them.": "Phần sau mục này là lần chạy cuối cùng có cơ quan mới.",
    "Newcomers": "Cơ quan mới",
    "like": "giống như",
    "sent to it a second": "gửi tới mỗi giây",
    "received a second": "nhận mỗi giây",
    "keeps up with its inbox": "nhận kịp hộp thư của mình",
    "All agencies together": "Tất cả các cơ quan",
    "without": "không có",
    "with": "có",
    "change (95 %)": "thay đổi (95 %)",
    "Who got slower": "Ai bị chậm đi",
    "p99 without": "p99 khi không có",
    "p99 with": "p99 khi có",
    "None of {count} agencies got slower by more than noise and {effect}.": "Trong {count} cơ quan, không cơ quan nào "
    "chậm đi quá mức nhiễu và {effect}.",
    "Slowdowns below {typical} could not have been seen for a typical agency, below {worst} not for the noisiest "
    "one.": "Với một cơ quan điển hình, không thể thấy mức chậm đi dưới {typical}; với cơ quan dao động nhiều nhất, "
    "dưới {worst}.",
    "Headroom": "Dự phòng",
    "{ratio} times the load": "gấp {ratio} lần tải",
    "at least {ratio} times the load": "ít nhất gấp {ratio} lần tải",
    "first to give way": "chịu không nổi trước tiên",
    # head
    "run": "lần chạy",
    "workload": "kịch bản tải",
    "started": "bắt đầu",
    "duration": "thời lượng",
    "agencies": "số cơ quan",
    "seed": "hạt giống",
    "Vietnam time": "giờ Việt Nam",
    "documents sent": "văn bản đã gửi",
    "deliveries": "lượt giao",
    "deliveries per second": "lượt giao mỗi giây",
    "over the whole run": "tính trên cả lần chạy",
    "delivery, median": "thời gian giao nhận, trung vị",
    "delivery, p99": "thời gian giao nhận, p99",
    "delivery, maximum": "thời gian giao nhận, lớn nhất",
    "lost or duplicated": "mất hoặc trùng",
    "from the intended time": "tính từ thời điểm dự định",
    "closed loop: shown, not judged": "vòng kín: chỉ hiển thị, không phán xét",
    "of {expected} expected": "trên {expected} phải có",
    # objectives
    "Objectives": "Mục tiêu",
    "objective": "mục tiêu",
    "stage": "chặng",
    "scope": "phạm vi",
    "limit": "giới hạn",
    "measured": "đo được",
    "judgement": "đánh giá",
    "met": "đạt",
    "missed": "không đạt",
    "not judged": "không phán xét",
    "These objectives are this project's own; the axis publishes none.": "Các mục tiêu này do dự án tự đặt ra; "
    "trục liên thông không công bố mục tiêu nào.",
    "all": "tất cả",
    # charts
    "Throughput": "Thông lượng",
    "Deliveries per second: offered by the schedule, sent, and received.": "Số lượt giao mỗi giây: theo lịch, "
    "đã gửi và đã nhận.",
    "Documents per second offered and sent; deliveries per second received.": "Số văn bản mỗi giây theo lịch và đã "
    "gửi; số lượt giao mỗi giây đã nhận.",
    "Outstanding": "Còn chờ",
    "Deliveries that were sent and not yet received. A line that keeps rising: the hub cannot take the load.": "Số "
    "lượt giao đã gửi mà chưa nhận. Đường đi lên mãi: trục không chịu nổi tải.",
    "Latency over time": "Độ trễ theo thời gian",
    "Delivery latency of what was received in each second, from the intended time. Where the dashed line is far below, "
    "the sender was held back, and only the solid one is honest.": "Độ trễ giao nhận của những gì đã nhận trong mỗi "
    "giây, tính từ thời điểm dự định. Ở đâu đường đứt nét thấp hơn nhiều thì bên gửi đã bị chặn, và chỉ đường liền "
    "nét là trung thực.",
    "Where the time went": "Thời gian đi đâu",
    "p99 of each stage by second.": "p99 của từng chặng theo giây.",
    "Latency by percentile": "Độ trễ theo phân vị",
    "The further right, the rarer: what the slowest in a hundred, in a thousand, in ten thousand waited.": "Càng về "
    "bên phải càng hiếm: lượt chậm nhất trong một trăm, một nghìn, mười nghìn lượt phải chờ bao lâu.",
    "Only a few percentiles of this run were kept.": "Lần chạy này chỉ lưu lại vài phân vị.",
    "offered": "theo lịch",
    "sent": "đã gửi",
    "received": "đã nhận",
    "refused": "bị từ chối",
    "outstanding": "còn chờ",
    "in flight": "đang gửi",
    "median": "trung vị",
    "p99": "p99",
    "maximum": "lớn nhất",
    "p99, uncorrected": "p99, chưa hiệu chỉnh",
    "seconds since the start": "giây kể từ lúc bắt đầu",
    "percentile": "phân vị",
    "a second": "mỗi giây",
    "each point stands for {seconds} s": "mỗi điểm ứng với {seconds} giây",
    "warm_up": "khởi động",
    "load": "tải",
    "soak": "tải lâu dài",
    "drain": "xả hết",
    "samples": "số mẫu",
    "below zero": "âm",
    "max": "lớn nhất",
    "delivery": "giao nhận",
    "send_delay": "trễ gửi",
    "routing": "chuyển qua trục",
    "pickup": "lấy về",
    "delivery_uncorrected": "giao nhận, chưa hiệu chỉnh",
    "acceptance": "trục tiếp nhận",
    "publish": "ghi nhận khi gửi",
    "schedule_error": "sai lệch lịch phát",
    "Delivery = send delay + routing + pickup.": "Giao nhận = trễ gửi + chuyển qua trục + lấy về.",
    # agencies
    "Agencies": "Các cơ quan",
    "Ranked by the p99 of what they received.": "Xếp theo p99 của những gì đã nhận.",
    "The {count} slowest": "{count} cơ quan chậm nhất",
    "All {count}": "Tất cả {count}",
    "agency": "cơ quan",
    "code": "mã",
    "Priorities": "Mức khẩn",
    "priority": "mức khẩn",
    "normal": "thường",
    "urgent": "khẩn",
    "very urgent": "thượng khẩn",
    "express": "hỏa tốc",
    "express at a set time": "hỏa tốc hẹn giờ",
    "Traffic": "Luồng văn bản",
    "Deliveries from each sender (row) to each recipient (column), on the logarithmic scale below; empty is none.": ""
    "Số lượt giao từ mỗi cơ quan gửi (hàng) đến mỗi cơ quan nhận (cột), theo thang logarit bên dưới; trống là "
    "không có.",
    "sender": "cơ quan gửi",
    "recipient": "cơ quan nhận",
    "The busiest pairs": "Các cặp nhiều nhất",
    # ledger
    "Ledger": "Sổ đối soát",
    "Every delivery is exactly one of these; they add up.": "Mỗi lượt giao là đúng một trong các loại này; cộng lại "
    "bằng số phải có.",
    "They do NOT add up: the audit itself is at fault.": "Cộng lại KHÔNG bằng số phải có: chính việc đối soát có lỗi.",
    "deliveries expected": "lượt giao phải có",
    "delivered once": "giao đúng một lần",
    "duplicated": "giao trùng",
    "lost": "mất",
    "Beside these": "Ngoài ra",
    "documents": "văn bản",
    "late": "trễ hạn",
    "misrouted": "giao nhầm",
    "failed": "báo lỗi",
    "receipts repeated": "biên nhận lặp lại",
    "contradictions": "mâu thuẫn",
    "Arrivals": "Văn bản đến hạn gửi",
    "What became of every document that was due.": "Mỗi văn bản đến hạn gửi đã ra sao.",
    "scheduled": "theo lịch",
    "acked": "đã xác nhận",
    "dropped": "bỏ qua",
    "unknown": "không rõ",
    "in_flight": "đang gửi",
    # generator
    "Generator self-check": "Máy phát tự kiểm tra",
    "A late generator would make the hub look slow, or hide that it is. Beyond a bound the run is invalid.": "Máy phát "
    "bị trễ sẽ làm trục trông chậm, hoặc che giấu việc trục chậm. Vượt giới hạn thì lần chạy không hợp lệ.",
    "what": "chỉ số",
    "bound": "giới hạn",
    "schedule error, p99": "sai lệch lịch phát, p99",
    "schedule error, p99.9": "sai lệch lịch phát, p99.9",
    "schedule error, maximum": "sai lệch lịch phát, lớn nhất",
    "event loop lag, p99": "trễ vòng lặp sự kiện, p99",
    "event loop lag, maximum": "trễ vòng lặp sự kiện, lớn nhất",
    "garbage collection": "thu gom bộ nhớ",
    "share of a core": "tỷ lệ một lõi xử lý",
    "clock steps": "số lần đồng hồ nhảy",
    "held back by the bound on documents in flight": "bị chặn vì chạm giới hạn văn bản đang gửi",
    "clock skew between machines": "lệch đồng hồ giữa các máy",
    "not known": "không rõ",
    "within": "trong giới hạn",
    "beyond": "vượt giới hạn",
    # faults
    "Faults injected": "Lỗi cố ý gây ra",
    "fault": "lỗi",
    "from": "từ",
    "until": "đến",
    "count": "số lượng",
    "detail": "chi tiết",
    "found by the ledger": "sổ đối soát tìm thấy",
    "What was done while it ran": "Những gì đã làm trong khi chạy",
    "at": "lúc",
    "verb": "lệnh",
    "value": "giá trị",
    "whole run": "cả lần chạy",
    "measured phases": "các giai đoạn được đo",
    "in the measured phases": "trong các giai đoạn được đo",
    "duplicate": "gửi trùng",
    "delay": "gửi trễ",
    "reorder": "đảo thứ tự",
    "corrupt": "làm hỏng",
    "withhold_receipts": "giữ lại biên nhận",
    "silent_agency": "cơ quan im lặng",
    "slow_consumer": "bên nhận chậm",
    "paused_hub": "trục tạm dừng",
    "killed_hub": "trục bị ngắt",
    "killed_worker": "tiến trình đối soát bị ngắt",
    "stalled_broker": "broker đứng",
    "stopped_broker": "broker dừng",
    "limited_hub": "trục bị giới hạn",
    # kinds of agencies, as the registry has them
    "ministry": "bộ",
    "ministerial-level agency": "cơ quan ngang bộ",
    "government-attached agency": "cơ quan thuộc Chính phủ",
    "government-attached agency (31st body)": "cơ quan thuộc Chính phủ (thứ 31)",
    "province": "tỉnh",
    "centrally-run city": "thành phố trực thuộc Trung ương",
    "Party body": "cơ quan Đảng",
    # milestones
    "Milestones: published and counted": "Các mốc: số đã công bố và số đếm được",
    "until day": "đến ngày",
    "published": "đã công bố",
    "counted": "đếm được",
    "sent, published": "gửi, đã công bố",
    "sent, counted": "gửi, đếm được",
    "received, published": "nhận, đã công bố",
    "received, counted": "nhận, đếm được",
    "total, published": "tổng, đã công bố",
    "total, counted": "tổng, đếm được",
    "agrees": "khớp",
    "differs": "lệch",
    # phases, processes, repeating
    "Phases": "Các giai đoạn",
    "phase": "giai đoạn",
    "kind": "loại",
    "judged": "được đánh giá",
    "yes": "có",
    "no": "không",
    "documents offered": "văn bản theo lịch",
    "deliveries received": "lượt giao đã nhận",
    "Processes": "Các tiến trình",
    "process": "tiến trình",
    "peak memory": "bộ nhớ cao nhất",
    "CPU time": "thời gian xử lý",
    "To repeat this run": "Để chạy lại",
    "command": "lệnh",
    "workload hash": "mã băm kịch bản",
    "machine": "máy",
    "cores": "lõi",
    "fleets": "số tiến trình phát",
    "of other machines": "trên máy khác",
    "registry": "danh mục cơ quan",
    "the package's own": "danh mục có sẵn",
    "version": "phiên bản",
    "settings": "thiết lập",
    "Skip to the verdict": "Đến phần kết luận",
    "In figures": "Bằng con số",
    "Charts need JavaScript; the tables hold the same figures.": "Biểu đồ cần JavaScript; các bảng có cùng số liệu.",
    "Made by docaxis. This file needs no network.": "Do docaxis lập. Tệp này không cần mạng.",
    "Show the table": "Xem bảng số liệu",
}


def report_word(text: str, language: Language) -> str:
    """Return a phrase of the report in the language."""
    if language is Language.EN:
        return text.replace("_", " ")
    if text.startswith("priority "):
        return f"mức khẩn {text.removeprefix('priority ')}"
    known = _VIETNAMESE.get(text) or _VIETNAMESE.get(text.replace("-", "_")) or word(text, language)
    if known == text and ", " in text:  # the agencies that an objective is about: codes, and kinds
        return ", ".join(report_word(part, language) for part in text.split(", "))
    return known


def report_sentence(text: str, language: Language) -> str:
    """Return a reason, a detail or an objective in the language; one that is not known stays as it is."""
    if language is Language.VI and (latency := re.fullmatch(r"([a-z_]+) (p[\d.]+) at most (.+)", text)):
        return f"{report_word(latency[1], language)}: {latency[2]} không quá {latency[3]}"
    return sentence(text, language)


def is_translated(text: str) -> bool:
    """Return whether there is a Vietnamese phrase for this one."""
    return report_word(text, Language.VI) != text or _VIETNAMESE.get(text) == text
