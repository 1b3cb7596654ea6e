"""What `Producer` is made of: pictures, bulk, waiting, canceling, manifests."""
