"""The words of the terminal views, in English and Vietnamese."""

from enum import StrEnum


class Language(StrEnum):
    """A language of the views."""

    EN = "en"
    VI = "vi"


_VIETNAMESE = {
    "Milestones: published and counted": "Các mốc: số đã công bố và số đếm được",
    "until": "đến ngày",
    "published": "đã công bố",
    "counted": "đếm được",
    "sent": "gửi",
    "received": "nhận",
    "total": "tổng",
    "Latency by stage (closed loop: shown, not judged)": "Độ trễ theo chặng (vòng kín: chỉ hiển thị, không phán xét)",
    "Latency by stage": "Độ trễ theo chặng",
    "Fidelity": "Độ trung thực khi phát lại",
    "documents planned": "văn bản theo bản ghi",
    "documents sent once": "văn bản đã gửi",
    "doubled, not in the plan": "gửi trùng, ngoài bản ghi",
    "send-time error p50, p99, max": "sai lệch giờ gửi p50, p99, lớn nhất",
    "Kolmogorov-Smirnov distance": "khoảng cách Kolmogorov-Smirnov",
    "documents in another second": "văn bản lệch sang giây khác",
    "pairs equal": "cặp gửi – nhận khớp",
    "hours equal": "giờ khớp",
    "gaps skipped": "khoảng lặng đã bỏ qua",
    "shifted by the rate limit": "bị dời do giới hạn tốc độ",
    "copies of each": "số bản sao mỗi văn bản",
    "speed": "tốc độ",
    "lives": "số lần chạy tiếp",
    "changes while it ran": "số lần điều chỉnh khi đang chạy",
    "stage": "chặng",
    "samples": "số mẫu",
    "median": "trung vị",
    "delivery": "giao nhận",
    "send delay": "trễ gửi",
    "routing": "chuyển qua trục",
    "pickup": "lấy về",
    "delivery uncorrected": "giao nhận (chưa chỉnh)",
    "acceptance": "trục tiếp nhận",
    "Ledger": "Sổ đối soát",
    "documents": "văn bản",
    "deliveries expected": "lượt giao phải có",
    "delivered once": "giao đúng một lần",
    "late": "trễ hạn",
    "duplicated": "giao trùng",
    "misrouted": "giao nhầm",
    "lost": "mất",
    "refused": "bị từ chối",
    "outstanding": "còn chờ",
    "sent and received per second": "gửi và nhận mỗi giây",
    "documents per second": "văn bản mỗi giây",
    "deliveries per second": "lượt giao mỗi giây",
    "Rates": "Tốc độ",
    "PASS": "ĐẠT",
    "FAIL": "KHÔNG ĐẠT",
    "every delivery accounted for, exactly once": "mọi lượt giao đều được đối soát, đúng một lần",
    "calendar": "lịch",
    "deliveries/s": "lượt giao/giây",
    "latency": "độ trễ",
    "memory": "bộ nhớ",
    "derived": "suy ra",
    "publish": "ghi nhận khi gửi",
    "before": "trước",
    "after": "sau",
    "change (99 %)": "thay đổi (99 %)",
    "met": "đạt",
    "missed": "không đạt",
    "not judged": "không phán xét",
    "in one run only": "chỉ có ở một lần chạy",
    "judgement": "đánh giá",
    "better": "tốt hơn",
    "same": "như nhau",
    "worse": "kém hơn",
    "cannot tell": "chưa rõ",
    "What differs between the runs:": "Khác nhau giữa hai lần chạy:",
    "run": "lần chạy",
    "started": "bắt đầu",
    "workload": "kịch bản tải",
    "verdict": "kết luận",
    "duration": "thời lượng",
    "documents/s": "văn bản/giây",
    "INVALID": "KHÔNG HỢP LỆ",
    "UNREADABLE": "KHÔNG ĐỌC ĐƯỢC",
}


def word(text: str, language: Language) -> str:
    """Return a word or phrase of the views in the language."""
    return _VIETNAMESE.get(text, text) if language is Language.VI else text
