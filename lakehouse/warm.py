"""One training run for the class-data archive: the statements that every build makes, on a few rows.

usage: python -m lakehouse.warm ARCHIVE JAR [JAR ...]
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from lakehouse import session


def main(archive: str, files: list[str]) -> None:
    """Run the statements in a JVM that writes its loaded classes to `archive` when it ends."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = {**session.SETTINGS, **session.LOCAL, "spark.driver.extraClassPath": os.pathsep.join(files)}
    settings["spark.driver.extraJavaOptions"] = (
        f"{session.LOGGING} {session.FAST_JAVA} -XX:ArchiveClassesAtExit={archive} -Xlog:cds=off"
    )
    spark = session.start({**settings, "spark.master": "local[2]"}, Path(f"{archive}.log"))
    process = spark.sparkContext._gateway.proc  # type: ignore[union-attr]
    with tempfile.TemporaryDirectory() as work:
        table = f"{work}/table"
        spark.sql(
            f"CREATE TABLE delta.`{table}` (id STRING NOT NULL, v BIGINT, a ARRAY<STRUCT<x:STRING,y:DOUBLE>>) USING delta"
            " CLUSTER BY (id) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')"
        )
        rows = spark.range(100).selectExpr("cast(id AS string) id", "id v", "array(struct('x' AS x, 1.0D AS y)) a")

        def same(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            yield from batches

        rows.mapInArrow(same, rows.schema).write.format("parquet").save(f"{work}/stage")
        spark.read.parquet(f"{work}/stage").write.format("delta").mode("append").save(table)
        spark.read.parquet(f"{work}/stage").createOrReplaceTempView("stage")
        spark.sql(
            f"MERGE INTO delta.`{table}` t USING stage s ON t.id = s.id WHEN MATCHED AND s.v = 1 THEN DELETE"
            " WHEN MATCHED AND NOT (t.v <=> s.v) THEN UPDATE SET t.v = s.v WHEN NOT MATCHED THEN INSERT *"
        )
        read = spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", 1).load(table)
        read.groupBy("id").agg({"v": "max"}).join(rows, "id", "left_anti").count()
        spark.sql(f"SELECT id, row_number() OVER (PARTITION BY v ORDER BY id) n FROM delta.`{table}`").collect()
    spark.stop()
    process.stdin.close()  # tells the JVM to end, which is when it writes the archive
    process.wait(timeout=300)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
