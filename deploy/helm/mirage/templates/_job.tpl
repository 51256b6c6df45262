{{- /* A Job's specification but for its completions; call with a dict of root, values, image, command, volumes, readOnly and pull. */}}
{{- define "mirage.job" -}}
podReplacementPolicy: Failed
podFailurePolicy:
  rules:
    - action: FailJob # codes of jobs that would end in the same way again: see docs/retraining.md
      onExitCodes: {containerName: job, operator: In, values: [2, 3, 4, 6]}
    - {action: Ignore, onPodConditions: [{type: DisruptionTarget, status: "True"}]}
template:
  metadata: {labels: {{ include "mirage.selector" (list .root "job") }}}
  spec:
    {{- include "mirage.pod" .root | nindent 4 }}
    restartPolicy: Never
    terminationGracePeriodSeconds: 120 # to write a checkpoint
    {{- if .pull }}
    initContainers:
      - name: pull
        image: {{ .image }}
        {{- include "mirage.store" (list .root dict) | nindent 8 }}
        command: [mirage, bundle, pull, {{ .pull }}, --to, /models]
        volumeMounts: [{name: tmp, mountPath: /tmp}, {name: models, mountPath: /models}]
    {{- end }}
    containers:
      - name: job
        image: {{ .image }}
        {{- include "mirage.store" (list .root (dict "OMP_NUM_THREADS" (include "mirage.cpus" "job" | fromYaml))) | nindent 8 }}
        command: {{ toJson .command }}
        resources: {{ include "mirage.resources" .values }}
        volumeMounts: {{- include "mirage.mounts" (list .volumes .readOnly) | nindent 10 }}
    volumes: {{- include "mirage.volumes" .volumes | nindent 6 }}
{{- end }}
