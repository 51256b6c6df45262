{{- define "mirage.name" }}{{ if contains "mirage" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-mirage{{ end }}{{ end }}

{{- /* What selects the pods of a component; call with a list of the root and the component. */}}
{{- define "mirage.selector" -}}
{app.kubernetes.io/name: mirage, app.kubernetes.io/instance: {{ (index . 0).Release.Name }}, app.kubernetes.io/component: {{ index . 1 }}}
{{- end }}

{{- /* Name and labels of an object; call with a list of the root, the component and the end of the name. */}}
{{- define "mirage.metadata" }}{name: {{ include "mirage.name" (index . 0) }}{{ index . 2 }}, labels: {{ include "mirage.selector" . }}}{{ end }}

{{- /* A value as text. Helm's numbers are floats, and would print as 1e+06. */}}
{{- define "mirage.text" }}{{ if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}{{ end }}

{{- /* Variables; call with a dict of them. A value that is a dict itself says where the value comes from. */}}
{{- define "mirage.environment" }}
{{- $variables := list }}
{{- range $name, $value := . }}
{{- $variables = append $variables (ternary (dict "name" $name "valueFrom" $value) (dict "name" $name "value" (include "mirage.text" $value)) (kindIs "map" $value)) }}
{{- end }}
{{- toJson $variables }}
{{- end }}

{{- define "mirage.cpus" }}{resourceFieldRef: {containerName: {{ . }}, resource: requests.cpu}}{{ end }}

{{- define "mirage.pod" -}}
{{ toYaml .Values.pod }}
automountServiceAccountToken: false
enableServiceLinks: false # a Service called mirage would define MIRAGE_PORT
securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, fsGroupChangePolicy: OnRootMismatch, seccompProfile: {type: RuntimeDefault}}
{{- end }}

{{- define "mirage.container" -}}
imagePullPolicy: {{ .Values.imagePullPolicy }}
securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
{{- end }}

{{- /* A container that reaches object storage; call with a list of the root and a dict of variables. */}}
{{- define "mirage.store" -}}
{{- include "mirage.container" (index . 0) }}
{{- with (index . 0).Values.credentials }}
envFrom: {{ if .secret }}[{secretRef: {name: {{ .secret }}}}]{{ else }}[]{{ end }}
env: {{ include "mirage.environment" (merge (index $ 1) .environment) }}
{{- end }}
{{- end }}

{{- /* Call with the values that hold resources and gpus. */}}
{{- define "mirage.resources" -}}
{{- $limits := merge (empty .gpus | ternary dict (dict "nvidia.com/gpu" .gpus)) .resources.limits -}}
{requests: {{ toJson .resources.requests }}, limits: {{ toJson $limits }}}
{{- end }}

{{- /* Volumes; call with a dict of names, each with pvc://CLAIM/PATH, secret://NAME, or the size of a folder of the pod. */}}
{{- define "mirage.volumes" -}}
- {name: tmp, emptyDir: {}}
{{- range $name, $what := . }}
{{- if hasPrefix "pvc://" $what }}
- {name: {{ $name }}, persistentVolumeClaim: {claimName: {{ trimPrefix "pvc://" $what | splitList "/" | first }}}}
{{- else if hasPrefix "secret://" $what }}
- {name: {{ $name }}, secret: {secretName: {{ trimPrefix "secret://" $what }}}}
{{- else }}
- {name: {{ $name }}, emptyDir: {sizeLimit: {{ $what }}}}
{{- end }}
{{- end }}
{{- end }}

{{- /* Their mounts, each at /NAME; call with a list of that dict and the names of those that are only read. */}}
{{- define "mirage.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- range $name, $what := index . 0 }}
{{- $path := hasPrefix "pvc://" $what | ternary (trimPrefix "pvc://" $what | splitList "/" | rest | join "/") "" }}
- {name: {{ $name }}, mountPath: /{{ $name }}, readOnly: {{ has $name (index $ 1) }}{{ with $path }}, subPath: {{ . }}{{ end }}}
{{- end }}
{{- end }}
