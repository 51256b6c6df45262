{{- /* Refuses values that contradict each other; values.schema.json refuses unknown ones and wrong types. */}}
{{- define "mirage.check" -}}
{{- with .Values }}
{{- if not (regexMatch "^(pvc|s3|gs|az|abfss?|https)://." .models.source) }}
{{- fail (printf "models.source is %q: give pvc://CLAIM, or the URL of a bucket such as s3://BUCKET/models" .models.source) }}{{ end }}
{{- if gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas) }}
{{- fail (printf "autoscaling.minReplicas is %v, more than maxReplicas, which is %v" .autoscaling.minReplicas .autoscaling.maxReplicas) }}{{ end }}
{{- if and .gpus (eq .autoscaling.by "cpu") }}
{{- fail "autoscaling.by is cpu and gpus is not 0: a busy GPU hardly uses the CPU; give requests (KEDA), or none" }}{{ end }}
{{- if .retrain.schedule }}
{{- if not .retrain.model }}{{ fail "retrain.model is empty: give the name of the model to publish" }}{{ end }}
{{- if not (regexMatch "^(pvc://|hf:)." .retrain.data) }}
{{- fail (printf "retrain.data is %q: give pvc://CLAIM/PATH, or hf:NAME" .retrain.data) }}{{ end }}
{{- if not (regexMatch "^pvc://." .retrain.runs) }}
{{- fail (printf "retrain.runs is %q: give pvc://CLAIM; a repeated job goes on from the checkpoints there" .retrain.runs) }}{{ end }}
{{- end }}
{{- if .draw.model }}
{{- if not .draw.version }}{{ fail "draw.version is 0: give the model's version, for a release must not change a data set halfway" }}{{ end }}
{{- if not (regexMatch "^(pvc|s3|gs|az|abfss?|https)://." .draw.output) }}
{{- fail (printf "draw.output is %q: give pvc://CLAIM/PATH, or the URL of a bucket such as s3://BUCKET/digits" .draw.output) }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
