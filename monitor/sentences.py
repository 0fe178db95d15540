"""The sentences that judgements, faults and progress are told in, from English to Vietnamese.

They are stored and logged in English, as they were made; whoever shows one asks for it here. A pattern's groups are
figures and names, and stay as they are.
"""

import re

from monitor.words import Language

_SENTENCES = (
    (r"([\d,.]+) lost", r"\1 lượt giao bị mất"),
    (r"([\d,.]+) duplicated", r"\1 lượt giao bị trùng"),
    (r"([\d,.]+) misrouted", r"\1 lượt giao nhầm"),
    (r"([\d,.]+) contradictions", r"\1 mâu thuẫn"),
    (r"([\d,.]+) refused", r"\1 lượt giao bị từ chối"),
    (r"([\d,.]+) arrivals dropped", r"\1 văn bản bị bỏ qua"),
    (r"([\d,.]+) arrivals failed", r"\1 văn bản gửi lỗi"),
    (r"([\d,.]+) arrivals unknown", r"\1 văn bản không rõ kết quả"),
    (
        r"([\d,.]+) documents acknowledged to the senders, ([\d,.]+) in the topic",
        r"bên gửi được xác nhận \1 văn bản, trong topic có \2",
    ),
    (r"the ledger does not add up", r"sổ đối soát không cân"),
    (r"not drained: ([\d,.]+) deliveries outstanding", r"chưa xả hết: còn \1 lượt giao đang chờ"),
    (r"milestone (\S+) counted differently from published", r"mốc \1: số đếm được khác số đã công bố"),
    # objectives, as `docaxis run` words them
    (r"received at least ([\d.]+)% of what was offered", r"nhận được ít nhất \1 % số phải giao"),
    (r"backlog grows by at most (\S+) deliveries/s", r"tồn đọng tăng không quá \1 lượt giao/giây"),
    (r"lost at most ([\d,]+)", r"mất không quá \1"),
    (r"duplicated at most ([\d,]+)", r"trùng không quá \1"),
    (r"dropped at most ([\d,]+)", r"bỏ qua không quá \1"),
    (r"misrouted at most ([\d,]+)", r"giao nhầm không quá \1"),
    (r"refused at most ([\d,]+)", r"từ chối không quá \1"),
    (r"late at most ([\d,]+)", r"đến muộn không quá \1"),
    (r"at least (\S+) deliveries/s", r"ít nhất \1 lượt giao/giây"),
    (r"at least (\S+) documents/s", r"ít nhất \1 văn bản/giây"),
    # load tests: what was injected, and what does not agree with it
    (
        r"([\d,.]+) documents acknowledged to the senders \(([\d,.]+) corrupt\), ([\d,.]+) in the topic",
        r"bên gửi được xác nhận \1 văn bản (\2 bị làm hỏng), trong topic có \3",
    ),
    (
        r"([\d,.]+) documents were corrupted, ([\d,.]+) unreadable ones were found",
        r"đã làm hỏng \1 văn bản, tìm thấy \2 văn bản không đọc được",
    ),
    (r"([\d,.]+) lost, ([\d,.]+) were injected", r"\1 lượt giao bị mất, đã cố ý gây ra \2"),
    (r"([\d,.]+) duplicated, ([\d,.]+) were injected", r"\1 lượt giao bị trùng, đã cố ý gây ra \2"),
    (r"fault (\S+): ([\d,.]+) asked for, ([\d,.]+) injected", r"lỗi \1: yêu cầu \2, đã gây ra \3"),
    (r"([\d,.]+) outstanding", r"\1 lượt giao còn chờ"),
    (r"([\d,.]+) documents, ([\d,.]+) deliveries", r"\1 văn bản, \2 lượt giao"),
    (r"([\d,.]+) deliveries", r"\1 lượt giao"),
    (
        r"objective (.+) was missed by less than the generator itself was late at its percentile \(([\d,.]+) ms\): "
        r"who was slow cannot be told",
        r"mục tiêu \1 không đạt, nhưng mức thiếu nhỏ hơn độ trễ của chính máy phát ở phân vị đó (\2 ms): "
        r"không thể biết bên nào chậm",
    ),
    (
        r"objective (.+) could not be judged: nothing of it was seen",
        r"không phán xét được mục tiêu \1: không thấy gì thuộc về nó",
    ),
    (r"begun", r"đã bắt đầu"),
    (r"stood still for (\S+) s", r"đứng yên \1 giây"),
    (r"killed and started again", r"bị ngắt và khởi động lại"),
    (r"stopped, and started again after (\S+) s", r"dừng, khởi động lại sau \1 giây"),
    (r"limited to (\S+) deliveries/s", r"giới hạn ở \1 lượt giao/giây"),
    (r"ended early: objective (.+) can no longer be met", r"kết thúc sớm: không thể đạt mục tiêu \1 được nữa"),
    (
        r"ended early: objective (.+) was missed for (\d+) seconds on end",
        r"kết thúc sớm: mục tiêu \1 không đạt trong \2 giây liền",
    ),
    (r"ended early: (.+)", r"kết thúc sớm: \1"),
    (r"objective missed: (.+)", r"không đạt mục tiêu: \1"),
    # load tests: why a run is not valid
    (
        r"the generator sent late by itself by (.+) \(p99\); the bound is (.+)",
        r"máy phát tự gửi trễ \1 (p99); giới hạn là \2",
    ),
    (
        r"the generator's event loop was late by (.+) \(p99\); the bound is (.+)",
        r"vòng lặp sự kiện của máy phát trễ \1 (p99); giới hạn là \2",
    ),
    (
        r"the generator was held for (.+) s at its in-flight bound with its processor (\S+) busy: .+",
        r"máy phát bị chặn \1 giây ở giới hạn văn bản đang gửi trong khi bộ xử lý của nó bận \2: không thể biết bên "
        r"nào chậm; hãy dùng nhiều đội hơn",
    ),
    (
        r"the receivers' processor was (\S+) busy: what waited for them looks like a slow hub; use more fleets",
        r"bộ xử lý của bên nhận bận \1: những gì chờ nó trông như trục chậm; hãy dùng nhiều đội hơn",
    ),
    (r"the wall clock stepped by (.+); the bound is (.+)", r"đồng hồ nhảy \1; giới hạn là \2"),
    # onboarding
    (
        r"(\d+) pairs of runs are too few to judge, (\d+) are needed",
        r"\1 cặp lần chạy là quá ít để kết luận, cần \2",
    ),
    (
        r"(\d+) runs are invalid: the generator was late, or its clock stepped",
        r"\1 lần chạy không hợp lệ: máy phát trễ hoặc đồng hồ nhảy",
    ),
    (r"objective missed without the newcomers already: (.+)", r"không đạt mục tiêu ngay khi chưa có cơ quan mới: \1"),
    (r"without the newcomers already: (.+)", r"ngay khi chưa có cơ quan mới: \1"),
    (r"with the newcomers: (.+)", r"khi có cơ quan mới: \1"),
    (r"objective missed with the newcomers: (.+)", r"không đạt mục tiêu khi có cơ quan mới: \1"),
    (
        r"(\S+) does not keep up with its inbox: it takes (.+) of what is sent to it",
        r"\1 không nhận kịp hộp thư của mình: chỉ nhận \2 số gửi tới",
    ),
    (r"objective missed by a newcomer: (.+)", r"cơ quan mới không đạt mục tiêu: \1"),
    (r"first to give way: (.+)", r"chịu không nổi trước tiên: \1"),
    (r"no headroom: the hub carries (\S+) times what is offered", r"không còn dự phòng: trục chỉ tải được \1 lần tải"),
    (
        r"little headroom: the hub carries (\S+) times what is offered; then: (.+)",
        r"ít dự phòng: trục tải được \1 lần tải; sau đó: \2",
    ),
    (
        r"headroom was not looked for: whether an ordinary peak still fits is not known",
        r"không tìm mức dự phòng: chưa rõ có chịu được cao điểm thường ngày",
    ),
    (
        r"headroom unproven: the generator was the limit at (\S+) times what is offered",
        r"chưa rõ dự phòng: máy phát đã tới giới hạn ở \1 lần tải",
    ),
    (r"all agencies together: (.+) is (\S+) longer", r"tất cả các cơ quan: \1 dài hơn \2"),
    (r"all agencies together: (.+) is (\S+) times as long", r"tất cả các cơ quan: \1 dài gấp \2 lần"),
    (r"(\S+) waits (\S+) longer \(p99\)", r"\1 chờ lâu hơn \2 (p99)"),
    (r"(\S+) waits (\S+) times as long \(p99\)", r"\1 chờ lâu gấp \2 lần (p99)"),
    (
        r"slowdowns below (\S+) could not have been seen \(p99 of a typical agency\): (.+)",
        r"không thể thấy mức chậm đi dưới \1 (p99 của một cơ quan điển hình): \2",
    ),
    (r"(\d+) more agencies wait longer", r"\1 cơ quan khác cũng chờ lâu hơn"),
    (r"pair (\d+) of (\d+), without the newcomers \.\.\.", r"cặp \1/\2, không có cơ quan mới ..."),
    (r"pair (\d+) of (\d+), with the newcomers \.\.\.", r"cặp \1/\2, có cơ quan mới ..."),
    (r"headroom: (\S+) times the load with the newcomers \.\.\.", r"dự phòng: \1 lần tải khi có cơ quan mới ..."),
    (r"  (\S+): delivery p99 (.+) ms, all met", r"  \1: giao nhận p99 \2 ms, đạt tất cả"),
    (r"  (\S+): delivery p99 (.+) ms; missed: (.+)", r"  \1: giao nhận p99 \2 ms; không đạt: \3"),
    (r"  (\S+): invalid, (.+)", r"  \1: không hợp lệ, \2"),
    # replays
    (
        r"replay: (\S+) of (\S+) documents sent, (\S+) doubled, (\S+) not in the plan, "
        r"(\S+) pairs and (\S+) hours differ",
        r"phát lại: đã gửi \1 trên \2 văn bản, \3 gửi trùng, \4 ngoài bản ghi, \5 cặp và \6 giờ bị lệch",
    ),
    (
        r"replay: send-time error p99 (.+) ms, at most (.+) ms wanted",
        r"phát lại: sai lệch giờ gửi p99 \1 ms, cần không quá \2 ms",
    ),
    (
        r"replay: Kolmogorov-Smirnov distance (\S+), at most (\S+) wanted",
        r"phát lại: khoảng cách Kolmogorov-Smirnov \1, cần không quá \2",
    ),
    (r"The latencies are those of the recording\.", r"Độ trễ là của bản ghi."),
    (r"objective '(.+)' missed", r"không đạt mục tiêu \1"),
    # progress
    (
        r"([\d,]+) events of canaries are left out: they are no traffic",
        r"bỏ qua \1 sự kiện của văn bản thử: chúng không phải lưu lượng",
    ),
    (
        r"Replaying ([\d,]+) documents to ([\d,]+) recipients \((.+)\) \.\.\.",
        r"Phát lại \1 văn bản tới \2 lượt nhận (\3) ...",
    ),
    (
        r"What was sent is kept: go on with docaxis replay --resume (\S+)",
        r"Những gì đã gửi được giữ lại: chạy tiếp bằng docaxis replay --resume \1",
    ),
    (
        r"Reading back what was sent, to hold it against the recording \.\.\.",
        r"Đọc lại những gì đã gửi để đối chiếu với bản ghi ...",
    ),
    (
        r"Sending ([\d,]+) documents to ([\d,]+) recipients \((.+)\); roles are starting \.\.\.",
        r"Gửi \1 văn bản tới \2 lượt nhận (\3); các tiến trình đang khởi động ...",
    ),
    (r"(.+) \((\S+)\); roles are starting \.\.\.", r"\1 (\2); các tiến trình đang khởi động ..."),
    # the search for the capacity
    (
        r"Searched with constant arrivals, in place of the phases (.+)\.",
        r"Tìm với tải đều, thay cho các giai đoạn \1.",
    ),
    (r"Searched with the objectives (.+)\.", r"Tìm với các mục tiêu \1."),
    (r"Searched with the faults (.+)\.", r"Tìm với các sự cố \1."),
    (
        r"Left out, for a search tries lower rates: the objectives (.+)\.",
        r"Bỏ qua, vì việc tìm thử cả tốc độ thấp hơn: các mục tiêu \1.",
    ),
    (
        r"Left out, for they would give way at any rate: the faults (.+)\.",
        r"Bỏ qua, vì ở tốc độ nào chúng cũng gây lỗi: các sự cố \1.",
    ),
    (r"climb: ([\d,.]+) deliveries/s for (\S+) s \.\.\.", r"tăng dần: \1 lượt giao/giây trong \2 s ..."),
    (r"bisect: ([\d,.]+) deliveries/s for (\S+) s \.\.\.", r"chia đôi: \1 lượt giao/giây trong \2 s ..."),
    (r"confirm: ([\d,.]+) deliveries/s for (\S+) s \.\.\.", r"xác nhận: \1 lượt giao/giây trong \2 s ..."),
    (r"recheck: ([\d,.]+) deliveries/s for (\S+) s \.\.\.", r"thử lại: \1 lượt giao/giây trong \2 s ..."),
    (r"  held, delivery p99 ([\d,.]+) ms", r"  chịu được, giao nhận p99 \1 ms"),
    (r"  failed, delivery p99 ([\d,.]+) ms: (.*)", r"  không chịu được, giao nhận p99 \1 ms: \2"),
    (r"  generator-limited: (.*)", r"  máy phát tới giới hạn trước: \1"),
    (
        r"Capacity: ([\d,.]+) deliveries/s \(it holds there, confirmed; at ([\d,.]+) it does not\)\.",
        r"Năng lực: \1 lượt giao/giây (chịu được, đã xác nhận; ở \2 thì không).",
    ),
    (
        r"Capacity: at least ([\d,.]+) deliveries/s, generator-limited: use more fleets\.",
        r"Năng lực: ít nhất \1 lượt giao/giây, máy phát tới giới hạn trước: hãy dùng nhiều tiến trình phát hơn.",
    ),
    (
        r"Capacity: at least ([\d,.]+) deliveries/s, which was the most to look for\.",
        r"Năng lực: ít nhất \1 lượt giao/giây, là mức cao nhất được tìm.",
    ),
    (r"Not even the least rate holds\.", r"Ngay cả tốc độ thấp nhất cũng không chịu được."),
    (
        r"No answer: between ([\d,.]+) and ([\d,.]+) deliveries/s\.",
        r"Chưa có câu trả lời: trong khoảng \1 đến \2 lượt giao/giây.",
    ),
    (r"First to give way: (.+)\.", r"Chịu không nổi trước tiên: \1."),
    (
        r"As counted, ([\d,.]+) deliveries/s were offered there: give longer steps \(--measure\)\.",
        r"Theo số đếm, ở đó chỉ phát \1 lượt giao/giây: hãy cho các bước dài hơn (--measure).",
    ),
    # `docaxis up` and `docaxis control`
    (r"Running \((\S+)\) on (\S+); Ctrl-C ends it", r"Đang chạy (\1) trên \2; Ctrl-C để kết thúc"),
    (
        r"Ending: the roles finish what they have in hand \.\.\.",
        r"Đang kết thúc: các tiến trình làm nốt việc đang dở ...",
    ),
    (
        r"(\S+): (.+) from the next second on; sending ends in ([\d,]+) s",
        r"\1: \2 từ giây tới; gửi xong sau \3 giây",
    ),
    (
        r"(\S+): (.+) from the next second on; sending stands still until `resume`",
        r"\1: \2 từ giây tới; ngừng gửi cho tới khi `resume`",
    ),
    (r"on another machine: (.+)", r"trên máy khác: \1"),
    (r"Live page: (.+)", r"Trang trực tiếp: \1"),
    (
        r"Using the broker that runs at ([^;]+); it ends with the command of pid (\d+)",
        r"Dùng broker đang chạy ở \1; nó kết thúc cùng lệnh có pid \2",
    ),
    (r"Using the broker that runs at (.+)", r"Dùng broker đang chạy ở \1"),
    (
        r"The broker goes on at ([^;]+); (`.+`) stops it",
        r"Broker vẫn chạy ở \1; dừng bằng \2",
    ),
    (
        r"Its data stays in (.+), which was there before; to free it: (`.+`)",
        r"Dữ liệu của nó vẫn ở \1, vốn đã có từ trước; để xóa: \2",
    ),
    (r"Apache Kafka (\S+): starting on (.+) \.\.\.", r"Apache Kafka \1: đang khởi động ở \2 ..."),
    (
        r"Apache Kafka (\S+): fetching (\d+) jars, (\d+) MiB, once \.\.\.",
        r"Apache Kafka \1: tải \2 tệp jar, \3 MiB, chỉ một lần ...",
    ),
    (r"  ( *\d+%)  (\d+) of (\d+) MiB", r"  \1  \2 trên \3 MiB"),
    (
        r"The broker of last time ended without a stop; starting on what it left\.",
        r"Broker lần trước kết thúc mà không được dừng; khởi động từ dữ liệu còn lại.",
    ),
    (
        r"(\d+) broker\(s\) had to be killed: they did not stop in time\.",
        r"Phải ngắt \1 broker: chúng không dừng kịp.",
    ),
)


def sentence(text: str, language: Language) -> str:
    """Return a sentence in the language; one that is not known stays as it is."""
    if language is Language.VI:
        for pattern, vietnamese in _SENTENCES:
            if match := re.fullmatch(pattern, text):
                return match.expand(vietnamese)
    return text
