"""The exported graph in lower precision: fp16 and int8 variants beside the float32 model. Needs no torch."""
