"""What OpenShift means: releases, their trust and layout, and the objects a cluster reads. Pure."""
