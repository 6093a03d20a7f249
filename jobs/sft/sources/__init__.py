"""Files of instruction data, read row by row. Knows neither Spark nor the lakehouse."""
