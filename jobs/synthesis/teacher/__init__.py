"""Teachers: whatever answers chat requests. One narrow interface, no Spark, no lake.

    for answer in teacher.complete(requests): ...

`Endpoint` speaks the OpenAI wire format to any base URL, `Recorded` replays answers by request id, `BatchFiles` writes
and reads the Batch layout, `Embedded` runs a small model here. Answers come as they are ready, one per request, whatever happened to it.
"""

from jobs.synthesis.teacher.batch import BatchFiles
from jobs.synthesis.teacher.budget import Budget, Price, Prices
from jobs.synthesis.teacher.embedded import Embedded
from jobs.synthesis.teacher.endpoint import Endpoint
from jobs.synthesis.teacher.recorded import Recorded, Recorder
from jobs.synthesis.teacher.request import Answer, Message, Request, Teacher, TeacherError

__all__ = [
    "Answer",
    "BatchFiles",
    "Budget",
    "Embedded",
    "Endpoint",
    "Message",
    "Price",
    "Prices",
    "Recorded",
    "Recorder",
    "Request",
    "Teacher",
    "TeacherError",
]
