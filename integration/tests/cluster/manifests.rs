//! What is applied besides herald's own manifests.

/// A backend on each node that takes Pods.
pub const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 5
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: DoNotSchedule
        nodeTaintsPolicy: Honor
        labelSelector: {matchLabels: {app: web}}
      containers:
      - name: web
        image: localhost/herald-lab/pods:1
        imagePullPolicy: Never
        command: [/web]
        env:
        - name: NODE
          valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
        readinessProbe:
          httpGet: {path: /, port: 8080}
          periodSeconds: 1
";

/// A pool, a peer at the address that stands for `ROUTER`, and a Service. What a node announced
/// that dies goes from the router after the hold time and the restart time (RFC 8538 §4).
pub const CONFIGURATION: &str = "
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: public, namespace: herald-system}
spec:
  addresses: [198.51.100.1-198.51.100.2]
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: public, namespace: herald-system}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: router, namespace: herald-system}
spec:
  myASN: 64512
  peerASN: 64513
  peerAddress: ROUTER
  holdTime: 9s
  enableGracefulRestart: true
  gracefulRestartTime: 30s
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports:
  - {port: 80, targetPort: 8080}
";

/// A Service that comes later, announced by nodes with a Pod of it.
pub const SECOND: &str = "
apiVersion: v1
kind: Service
metadata: {name: second, namespace: default}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  selector: {app: web}
  ports:
  - {port: 80, targetPort: 8080}
";
